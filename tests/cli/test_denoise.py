"""``aecore denoise``: pictures of any size, depth and number of channels."""

import json

import aecore as ae
import numpy as np
import pytest
from support.commands import complaint, status, told

Image = pytest.importorskip("PIL.Image")


def smooth(h, w, c=3):
    """Return a picture of soft waves, as bytes."""
    y, x = np.mgrid[:h, :w, :c][:2] / 17.0
    shift = np.arange(c)
    return np.rint(127 + 90 * np.sin(y + shift) * np.cos(1.3 * x - shift)).astype(np.uint8)


@pytest.fixture
def pictures(tmp_path):
    """A folder of pictures of all kinds, and what each is to be like."""
    folder = tmp_path / "pictures"
    (folder / "more").mkdir(parents=True)
    colour, grey = smooth(37, 50), smooth(41, 29, 1)[..., 0]
    see = np.arange(37 * 50).reshape(37, 50).astype(np.uint8)
    translucent, grey_one = Image.fromarray(colour), Image.fromarray(grey)
    translucent.putalpha(Image.fromarray(see))
    grey_one.putalpha(Image.fromarray(see[:29, :29].repeat(2, 0)[:41]))
    made = {
        "alpha.png": (translucent, "RGBA"),
        "black.png": (Image.fromarray(np.zeros((5, 3), np.uint8)), "L"),
        "colour.png": (Image.fromarray(colour), "RGB"),
        "colour.bmp": (Image.fromarray(colour), "RGB"),
        "deep.png": (Image.fromarray(grey.astype(np.uint16) * 257), "I;16"),
        "few.gif": (Image.fromarray(colour).quantize(16), "RGB"),
        "floats.tif": (Image.fromarray(grey.astype(np.float32) / 255), "F"),
        "grey.png": (Image.fromarray(grey), "L"),
        "grey alpha.png": (grey_one, "LA"),
        "lines.png": (Image.fromarray(grey > 128), "L"),
        "more/colour.jpg": (Image.fromarray(colour), "RGB"),
        "more/large.webp": (Image.fromarray(smooth(130, 61)), "RGB"),
        "one.png": (Image.fromarray(colour[:1, :1]), "RGB"),
        "twelve.tif": (Image.fromarray(grey.astype(np.uint16) * 16), "I;16"),
    }
    for name, (picture, _) in made.items():
        picture.save(folder / name)
    return folder, made


def test_a_folder_keeps_names_sizes_depths_colours_and_alpha(pictures, tmp_path, capsys):
    folder, made = pictures
    facts = told(capsys, "denoise", folder, "-o", tmp_path / "out")
    assert [row["picture"] for row in facts["pictures"]] == sorted(
        made, key=lambda name: folder / name
    )
    for name, (given, mode) in made.items():
        path = tmp_path / "out" / name
        path = path.with_suffix(".png") if path.suffix == ".gif" else path
        with Image.open(path) as found:
            assert found.mode == mode and found.size == given.size, name
            if mode in ("RGBA", "LA"):
                np.testing.assert_array_equal(
                    np.asarray(found)[..., -1], np.asarray(given)[..., -1]
                )
    deep = np.asarray(Image.open(tmp_path / "out/deep.png"))
    assert (deep % 257).any()  # more than bytes
    twelve = np.asarray(Image.open(tmp_path / "out/twelve.tif"))
    assert 2000 < twelve.max() < 4096
    kinds = {row["picture"]: row["kind"] for row in facts["pictures"]}
    assert kinds["deep.png"] == "29 x 41, grey, 16 bits"
    assert kinds["grey alpha.png"] == "29 x 41, grey with alpha, 8 bits"
    assert kinds["floats.tif"] == "29 x 41, grey, floats"


def test_noise_that_is_added_is_taken_away(pictures, tmp_path, capsys):
    folder, _ = pictures
    out = tmp_path / "out.png"
    for name, noisy in (("colour.png", 20), ("grey.png", 20), ("deep.png", 20)):
        facts = told(capsys, "denoise", folder / name, "-o", out, "--noise", 0.1)
        assert facts["psnr_noisy"] == pytest.approx(noisy, abs=0.7)
        assert facts["psnr"] > facts["psnr_noisy"] + 5
    again = told(capsys, "denoise", folder / "grey.png", "-o", out, "--noise", 0.1, "--seed", 1)
    first = told(capsys, "denoise", folder / "grey.png", "-o", out, "--noise", 0.1)
    same = told(capsys, "denoise", folder / "grey.png", "-o", out, "--noise", 0.1)
    assert first["psnr"] == same["psnr"] != again["psnr"]


def test_a_model_of_ones_own(pictures, tmp_path, capsys):
    folder, _ = pictures
    own, out = tmp_path / "own.safetensors", tmp_path / "out.png"
    how = "--train", folder, "--sigma", 0.05, 0.1, "--epochs", 1, "--save", own
    told(capsys, "denoise", folder / "grey.png", "-o", out, *how)
    model = ae.load(own)
    assert model.corruption == ae.GaussianNoise((0.05, 0.1), (0, 1))
    facts = told(capsys, "denoise", folder / "grey.png", "-o", out, "--model", own)
    with Image.open(folder / "grey.png") as picture:
        x = np.asarray(picture)[None, ..., None]
    want = np.clip(model.reconstruct(x)[0, ..., 0], 0, 1)
    np.testing.assert_array_equal(np.asarray(Image.open(out)), np.rint(want * 255))
    error = np.square(x[0, ..., 0] / 255 - want).mean()
    assert facts["pictures"][0]["psnr"] == pytest.approx(-10 * np.log10(error), abs=1e-3)
    text = "--save: expected pictures that are all grey or all in colour"
    assert text in complaint(capsys, "denoise", folder, "-o", tmp_path / "all", *how)


def test_a_model_of_colours_takes_grey_pictures_three_times_over(pictures, tmp_path, capsys):
    folder, _ = pictures
    own, out = tmp_path / "own.safetensors", tmp_path / "out.png"
    ae.load_denoiser().save(own)
    told(capsys, "denoise", folder / "grey.png", "-o", out, "--model", own)
    with Image.open(folder / "grey.png") as picture:
        x = np.repeat(np.asarray(picture)[None, ..., None], 3, -1)
    want = np.clip(ae.load(own).reconstruct(x)[0].mean(2), 0, 1)
    assert np.abs(np.asarray(Image.open(out)) - np.rint(want * 255)).max() <= 1


def test_a_model_of_grey_pictures_takes_colours_one_by_one(pictures, tmp_path, capsys):
    folder, _ = pictures
    X = ae.data.crops([smooth(40, 40, 1)], 16, 64)
    model = ae.Autoencoder(
        ae.UNet((4, 8)), corruption=ae.GaussianNoise(0.1), epochs=1, random_state=0
    ).fit(X)
    model.save(tmp_path / "grey.safetensors")
    out = tmp_path / "out.png"
    told(
        capsys,
        "denoise",
        folder / "colour.png",
        "-o",
        out,
        "--model",
        tmp_path / "grey.safetensors",
    )
    want = model.reconstruct(np.moveaxis(smooth(37, 50), 2, 0)[..., None])[..., 0]
    want = np.rint(np.clip(want, 0, 1) * 255)
    assert np.abs(np.moveaxis(np.asarray(Image.open(out)), 2, 0) - want).max() <= 1


def test_a_picture_that_is_to_be_turned(tmp_path, capsys):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(smooth(20, 30)).save(tmp_path / "a.jpg", exif=exif)
    told(capsys, "denoise", tmp_path / "a.jpg", "-o", tmp_path / "b.jpg")
    with Image.open(tmp_path / "b.jpg") as picture:
        assert picture.size == (20, 30) and picture.getexif().get(0x0112, 1) == 1


def test_what_it_says(pictures, tmp_path, capsys):
    folder, _ = pictures
    assert status("denoise", folder / "grey.png", "-o", tmp_path / "a.png") == 0
    said = capsys.readouterr().out
    assert "grey.png: 29 x 41, grey, 8 bits: PSNR" in said and "from what was given" in said
    assert status("denoise", folder / "more", "-o", tmp_path / "b", "--noise", "0.1") == 0
    said = capsys.readouterr().out
    assert "dB with noise" in said and "mean: " in said and "2 pictures in" in said
    assert status("denoise", folder / "grey.png", "-o", tmp_path / "a.png", "-q") == 0
    assert capsys.readouterr().out == ""


def test_what_is_wrong_is_said_before_work_is_done(pictures, tmp_path, capsys):
    folder, _ = pictures
    grey, out = folder / "grey.png", tmp_path / "o.png"
    (tmp_path / "full").mkdir()
    (tmp_path / "full/x").write_text("")
    (tmp_path / "none").mkdir()
    (tmp_path / "text.png").write_text("no picture")
    flat = ae.Autoencoder(ae.Conv((2,)), 2, epochs=0).fit(np.zeros((3, 8, 8, 1), np.float32))
    flat.save(tmp_path / "flat.safetensors")
    for arguments, text in (
        ((grey, "-o", grey), "expected another file than the picture itself"),
        ((folder, "-o", tmp_path / "full"), "not empty"),
        ((tmp_path / "nothing", "-o", out), "a picture or a folder of them, got no such file"),
        ((tmp_path / "none", "-o", tmp_path / "p"), "expected pictures (.png"),
        ((tmp_path / "text.png", "-o", out), "expected a picture that Pillow can read"),
        ((grey, "-o", tmp_path / "o.xyz"), "expected a picture's suffix"),
        ((grey, "-o", tmp_path / "no/o.png"), "expected a folder"),
        ((grey, "-o", out, "--sigma", 0.1), "--sigma: expected --train with it"),
        ((grey, "-o", out, "--save", tmp_path / "m"), "--save: expected --train with it"),
        ((grey, "-o", out, "--train", "--sigma", 0.2, 0.1), "--sigma: expected one deviation"),
        ((grey, "-o", out, "--noise", 0), "--noise: expected a deviation"),
        ((grey, "-o", out, "--model", tmp_path / "flat.safetensors"), "pictures of any size"),
        ((grey, "-o", out, "--model", tmp_path / "nothing"), "nothing"),
    ):
        assert text in complaint(capsys, "denoise", *arguments).replace("\n", " ")
    assert not out.exists()


@pytest.mark.parametrize("channels", [3, 1])
def test_the_denoisers_of_the_package(channels):
    from aecore.pretrained import FILES

    assert sum(file.stat().st_size for file in FILES.values()) <= 300_000
    with open(FILES[channels], "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    kinds = {entry["dtype"] for name, entry in header.items() if name != "__metadata__"}
    assert kinds == {"BF16"}
    model = ae.load_denoiser(channels)
    assert model is not ae.load_denoiser(channels)
    assert f"{model.n_parameters_:,}" in ae.load_denoiser.__doc__
    rng = np.random.default_rng(0)
    clean = smooth(60, 47, channels)[np.newaxis] / 255
    for sigma in (0.03, 0.1, 0.2):
        noisy = np.clip(clean + sigma * rng.standard_normal(clean.shape), 0, 1)
        error = np.square(model.reconstruct(noisy) - clean).mean()
        assert error < 0.4 * np.square(noisy - clean).mean()


def test_there_are_denoisers_of_two_kinds():
    with pytest.raises(ValueError, match="channels: expected 3 or 1, got 2"):
        ae.load_denoiser(2)
