"""Folders of pictures: which files are read, sizes, labels, and pixels of all depths."""

import os
import shutil
import sys
import warnings

import numpy as np
import pytest
from aecore import datasets
from aecore.datasets import _images, load_images

Image = pytest.importorskip("PIL.Image")
GREY = np.arange(0, 256, 4, np.uint8).reshape(8, 8)


def put(path, pixels=GREY, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


@pytest.fixture
def folder(tmp_path):
    for label in ("cats", "dogs"):
        for i in range(2):
            put(tmp_path / "p" / label / f"{i}.png", GREY + np.uint8(i))
    return tmp_path / "p"


def test_pictures_and_labels(folder):
    X, y = load_images(folder)
    assert X.dtype == np.uint8 and X.shape == (4, 8, 8, 1)
    np.testing.assert_array_equal(X[2, ..., 0], GREY)
    assert y.tolist() == ["cats", "cats", "dogs", "dogs"]
    assert load_images(str(folder / "cats"))[1] is None
    assert load_images(folder, size=(4, 5))[0].shape == (4, 4, 5, 1)
    assert "load_images" in datasets.__all__


def test_hidden_files_and_folders_are_left_out(folder):
    put(folder / "cats" / ".ipynb_checkpoints" / "0-checkpoint.png")
    put(folder / ".hidden.png", np.zeros((3, 3), np.uint8))
    (folder / "cats" / "._0.png").write_bytes(b"\0\5\x16\7" + bytes(80))
    put(folder / "__MACOSX" / "cats" / "0.png")
    (folder / "cats" / "note.txt").write_text("no picture")
    X, y = load_images(folder)
    assert len(X) == 4 and set(y) == {"cats", "dogs"}
    hidden = folder.with_name(".hidden")
    shutil.move(folder, hidden)
    assert len(load_images(hidden)[0]) == 4  # asked for by name


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="makes a FIFO and links")
def test_only_regular_files_are_read(folder):
    os.mkfifo(folder / "cats" / "f.png")
    (folder / "dogs" / "g.png").mkdir()
    put(folder / "dogs" / "g.png" / "7.png")
    os.symlink(folder / "cats" / "0.png", folder / "cats" / "link.png")
    os.symlink(folder / "cats", folder / "kittens")
    os.symlink(folder, folder / "dogs" / "circle")
    X, y = load_images(folder)
    assert y.tolist() == ["cats"] * 3 + ["dogs"] * 3 + ["kittens"] * 3
    os.symlink("nothing", folder / "cats" / "gone.png")
    with pytest.raises(ValueError, match=r"gone\.png: expected a picture, got No such file"):
        load_images(folder)


def test_labels_are_the_folders_right_below(folder):
    for label in ("cats", "dogs"):
        put(folder / label / "monday" / "9.png")
    assert load_images(folder)[1].tolist() == ["cats"] * 3 + ["dogs"] * 3


def test_pictures_beside_folders_of_labels(folder):
    put(folder / "logo.png")
    with pytest.warns(UserWarning, match=r"no labels are taken, .* logo\.png") as said:
        X, y = load_images(folder)
    assert len(X) == 5 and y is None
    assert said[0].filename == __file__


@pytest.mark.parametrize(
    "name, pixels, expected",
    [
        ("a.png", (GREY * np.uint16(257)), GREY),
        ("a.tif", (GREY * np.uint16(257)).astype(">u2"), GREY),
        ("a.png", np.linspace(0, 4095, 64).astype(np.uint16).reshape(8, 8), None),
        ("a.tif", (GREY / 255).astype(np.float32), GREY),
        ("a.tif", GREY.astype(np.float32), GREY),
        ("a.tif", GREY.astype(np.int32), GREY),
        ("a.tif", GREY.astype(np.int32) * 257, GREY),
        ("a.png", GREY > 100, (GREY > 100) * 255),
        ("a.png", np.stack([GREY, GREY], -1), GREY),
        ("a.gif", GREY, GREY),
    ],
)
def test_pixels_of_any_depth(name, pixels, expected, tmp_path):
    if pixels.ndim == 3:
        picture = Image.merge("LA", [Image.fromarray(pixels[..., i]) for i in range(2)])
        picture.save(tmp_path / name)
    else:
        put(tmp_path / name, pixels)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        X, _ = load_images(tmp_path)
    if expected is None:  # 12 bits
        expected = np.rint(pixels / 4095 * 255)
        assert ["12 bits" in str(w.message) for w in said] == [True]
        assert load_images(tmp_path, bits=16)[0].max() == 16
        np.testing.assert_array_equal(load_images(tmp_path, bits=12)[0], X)
    else:
        assert not said
    assert all(w.filename == __file__ for w in said)
    assert X.shape == (1, 8, 8, 1)
    np.testing.assert_array_equal(X[0, ..., 0], expected)


def test_white_is_the_same_for_all_pictures_of_a_folder(tmp_path):
    put(tmp_path / "a.png", GREY.astype(np.uint16) * 257)
    put(tmp_path / "b.png", GREY.astype(np.uint16))
    put(tmp_path / "c.png", GREY)
    X, _ = load_images(tmp_path)
    np.testing.assert_array_equal(X[0], X[2])
    assert X[1].max() == 1


@pytest.mark.parametrize(
    "pixels, message",
    [
        (np.float32([[0, -1]]), "expected pixels from 0 on"),
        (np.float32([[0, np.nan]]), "expected pixels from 0 on"),
        (np.float32([[0, 256]]), "expected pixels up to 255, got one of 256"),
        (np.int32([[0, 70000]]), "expected pixels up to 65535, got one of 70000"),
    ],
)
def test_pixels_out_of_range(pixels, message, tmp_path):
    put(tmp_path / "a.tif", pixels)
    with pytest.raises(ValueError, match=rf"a\.tif: {message}"):
        load_images(tmp_path)


def test_palettes_and_transparency(tmp_path):
    grey, colour = tmp_path / "g", tmp_path / "c"
    put(grey / "a.png", GREY)
    Image.fromarray(GREY).convert("P").save(grey / "b.png", transparency=b"\1" * 9)
    X, _ = load_images(grey)
    assert X.shape == (2, 8, 8, 1)
    np.testing.assert_array_equal(X[0], X[1])
    rgb = np.zeros((8, 8, 3), np.uint8)
    rgb[:4, :, 0], rgb[4:, :, 2] = 255, 255
    Image.fromarray(rgb).convert("P", palette=Image.Palette.ADAPTIVE, colors=2).save(
        tmp_path / "p.png"
    )
    colour.mkdir()
    shutil.move(tmp_path / "p.png", colour / "p.png")
    Image.fromarray(rgb).convert("RGBA").save(colour / "q.png")
    Image.fromarray(rgb).convert("CMYK").save(colour / "r.tif")
    X, _ = load_images(colour)
    for x in X:
        np.testing.assert_array_equal(x, rgb)


def test_pictures_stand_upright(tmp_path):
    pixels = np.zeros((4, 6), np.uint8)
    pixels[0, 0] = 255
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        put(tmp_path / str(orientation) / "a.png", pixels, exif=exif)
    X, y = load_images(tmp_path, size=(6, 6))
    assert len(X) == 8
    for label, shape, corner in (
        ("1", (4, 6), (0, 0)),
        ("6", (6, 4), (0, 3)),
        ("3", (4, 6), (3, 5)),
    ):
        found = load_images(tmp_path / label)[0][0, ..., 0]
        assert found.shape == shape and found[corner] == 255


def test_errors_name_the_file(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_images(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"empty: expected pictures \(\.png"):
        load_images(tmp_path / "empty")
    put(folder / "dogs" / "z.png", GREY[:3])
    with pytest.raises(
        ValueError, match=r"z\.png: expected 8x8 .* got 3x8; size=\(8, 8\) resizes; a list of"
    ):
        load_images(folder)
    good = (folder / "cats" / "0.png").read_bytes()
    for bad, message in (
        (b"text", "that Pillow can read, got none"),
        (good[:50], "a whole picture"),
    ):
        (folder / "dogs" / "z.png").write_bytes(bad)
        with pytest.raises(ValueError, match=r"z\.png: expected a (whole )?picture") as error:
            load_images(folder)
        assert message in str(error.value)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"size": 8}, r"size: expected \(height, width\), got 8"),
        ({"size": (0, 8)}, "size: expected at least 1, got 0"),
        ({"bits": 8}, "bits: expected at least 9 and at most 16, got 8"),
    ],
)
def test_options_are_checked(options, message, folder):
    with pytest.raises(ValueError, match=message):
        load_images(folder, **options)


def test_without_pillow(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match=r"aecore\[images\]"):
        load_images(folder)


def test_a_bomb_is_refused(folder, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    with pytest.raises(ValueError, match=r"cats/0\.png: expected a whole picture: Image size"):
        _images.ImageFolder(folder)
