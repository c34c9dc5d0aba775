"""``aecore denoise``: pictures without their noise."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from ..base import atomic
from ._command import (
    CommandError,
    Subparsers,
    add_answer,
    add_command,
    add_output,
    answer,
    command_errors,
    note,
    positive,
    require,
)
from ._flags import PREFIX
from ._model import load_model
from ._results import check_place

CROP, CROPS = 32, 4000  # pixels a side, and in an epoch at least
NOISE = (0.02, 0.2)  # that a training is for, where nothing is said


def add_denoise(commands: Subparsers) -> None:
    """Add denoise."""
    parser = add_command(
        commands,
        _denoise,
        "denoise",
        "Take the noise out of pictures. Of a file, or of all in a folder: each keeps its name, "
        "size and depth (8 bits, and 16 if it is grey), stays grey or in colour, and keeps what is "
        "transparent. Small networks that come with aecore do it, for noise like that of film "
        "and sensors, of a deviation of 0.02 to 0.2 where white is 1; or one of your own.\n\n"
        "Says for each picture how far the result is from what was given, as PSNR in decibels. "
        "With --noise the pictures are taken to be clean: noise is added first, and it says how "
        "far they are with it and without.",
        """
        aecore denoise scan.png -o clean.png
        aecore denoise scans/ -o clean/
        aecore denoise photographs/ -o tried/ --noise 0.1
        aecore denoise scans/ -o clean/ --train good/ --sigma 0.1 --save m.safetensors
        aecore denoise more/ -o clean/ --model m.safetensors
        """,
    )
    parser.add_argument("data", metavar="PICTURES", help="a picture, or a folder of them")
    add_output(parser, "a picture's file, or a new folder")
    parser.add_argument(
        "--model", metavar="FILE", help="an Autoencoder that takes images of any size"
    )
    parser.add_argument(
        "--train",
        nargs="?",
        const="",
        metavar="CLEAN",
        help="first train on clean pictures like these, or on those given",
    )
    parser.add_argument(
        "--sigma",
        nargs="+",
        type=float,
        metavar="S",
        help="deviation of the noise that is trained for, or the least and the largest "
        f"(default: {NOISE[0]} {NOISE[1]})",
    )
    parser.add_argument("--epochs", type=positive, default=5, metavar="N", help="%(default)s")
    parser.add_argument("--save", metavar="FILE", help="write the trained model there")
    parser.add_argument(
        "--noise", type=float, metavar="SIGMA", help="add noise of this deviation first"
    )
    parser.add_argument(
        "--seed", type=int, default=0, dest=f"{PREFIX}random_state", metavar="N", help="%(default)s"
    )
    parser.add_argument("--threads", type=positive, metavar="N", help="default: as many as cores")
    add_answer(parser)


def _denoise(options: Any) -> int:
    require("denoise", "images", "PIL")
    from . import _photos

    _check(options)
    paths, is_folder = _photos.find(options.data)
    out = Path(options.out)
    if not is_folder and (out.is_dir() or options.out.endswith(os.sep)):
        out = out / _photos.written_as(paths[0]).name
    check_place(str(out))
    if not is_folder:
        _photos.check_suffix(out)
    if not is_folder and out.exists() and out.samefile(paths[0]):
        raise CommandError(f"{out}: expected another file than the picture itself")
    started, models = time.perf_counter(), _models(options, paths)
    rows: list[dict[str, Any]] = []
    if not is_folder:
        rows.append(_one(options, models, paths[0], out, 0))
    else:
        root = Path(options.data)
        with command_errors(), atomic.replacing_folder(out) as folder:
            for number, path in enumerate(paths):
                place = Path(folder) / _photos.written_as(path.relative_to(root))
                place.parent.mkdir(parents=True, exist_ok=True)
                rows.append(_one(options, models, path, place, number))
                rows[-1]["picture"] = path.relative_to(root).as_posix()
    facts = {"out": str(out), "pictures": rows, "seconds": time.perf_counter() - started}
    if options.noise is not None:
        facts |= {name: float(np.mean([r[name] for r in rows])) for name in ("psnr_noisy", "psnr")}
    answer(options, facts, _lines(facts, is_folder))
    return 0


def _check(options: Any) -> None:
    """Raise CommandError for options that don't go together."""
    if options.sigma is not None:
        low, high = options.sigma[0], options.sigma[-1]
        if len(options.sigma) > 2 or not 0 <= low <= high < 10:
            raise CommandError(f"--sigma: expected one deviation or two, got {options.sigma}")
    for name in ("sigma", "save"):
        if getattr(options, name) is not None and options.train is None:
            raise CommandError(f"--{name}: expected --train with it")
    if options.noise is not None and not 0 < options.noise < 10:
        raise CommandError(f"--noise: expected a deviation, such as 0.1, got {options.noise:g}")
    if options.save is not None:
        check_place(options.save)


def _models(options: Any, paths: list[Path]) -> dict[int, Any]:
    """Return the models for pictures of 1 and 3 channels, trained if a command says so."""
    if options.model is not None:
        model = load_model(options)
        _check_model(model)
        models = {1: model, 3: model}
    else:
        from ..pretrained import FILES, load_denoiser

        models = {channels: load_denoiser(channels) for channels in FILES}
        if options.threads is not None:
            for model in models.values():
                model.set_params(n_threads=options.threads)
    if options.train is not None:
        _train(options, models, paths)
    return models


def _check_model(model: Any) -> None:
    """Raise CommandError for a model that isn't one of pictures of any size."""
    shape: tuple[int, ...] = getattr(getattr(model, "_network", None), "input_shape", ())
    if len(shape) != 3 or shape[2] not in (1, 3) or not getattr(model, "_takes_other_sizes", False):
        raise CommandError(
            "--model: expected an Autoencoder of pictures of any size, with UNet or "
            f"flatten=False, got {type(model).__name__} of samples {shape}"
        )


def _train(options: Any, models: dict[int, Any], paths: list[Path]) -> None:
    """Train further, on clean pictures, what pictures like those to be cleaned take."""
    from . import _photos

    clean = _photos.find(options.train)[0] if options.train else paths
    wanted = {_photos.Photo(path).pixels.shape[2] for path in paths}
    several = list({id(models[k]): models[k] for k in wanted}.values())
    if options.save is not None and len(several) > 1:
        raise CommandError(
            "--save: expected pictures that are all grey or all in colour, as each kind has a "
            "model of its own, got both"
        )
    images = [_photos.Photo(path).pixels for path in clean]
    for model in several:
        _train_one(options, model, images)
    note(options, f"trained on {len(images)} picture{'s' * (len(images) != 1)}")


def _train_one(options: Any, model: Any, pictures: list[np.ndarray]) -> None:
    """Train a model further on clean pictures, and save it if a command says so."""
    from .. import Cosine, GaussianNoise
    from ..data import crops

    channels = model._network.input_shape[2]
    images = [_as_channels(pixels, channels) for pixels in pictures]
    given = options.sigma or NOISE
    noise = given[0] if len(given) == 1 else tuple(given)
    size = model._network.input_shape[:2] if options.model is not None else (CROP, CROP)
    with command_errors():
        samples = crops(images, size)
        samples = crops(images, size, max(CROPS, len(samples)))
        model.set_params(
            corruption=GaussianNoise(noise, clip=(0, 1)),
            epochs=options.epochs,
            schedule=Cosine(model._network.epoch + options.epochs),
            learning_rate=1e-3,
            optimizer="adam",
            warm_start=True,
            verbose=not options.quiet,
        )
        model.fit(samples)
        if options.save is not None:
            model.save(options.save)


def _as_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    """Return a picture with as many channels as a model has."""
    if pixels.shape[2] == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=2)
    return (pixels @ np.array([0.299, 0.587, 0.114], np.float32))[..., np.newaxis]


def clean(model: Any, pixels: np.ndarray) -> np.ndarray:
    """Return a picture (H, W, 1 or 3) without noise.

    A grey one goes into a model of colours three times over, and colours into a model of grey
    pictures one after another.
    """
    channels, given = model._network.input_shape[2], pixels.shape[2]
    if model._network.reader.pixels and (pixels == np.rint(pixels)).all():  # black and white
        pixels = (pixels * 255).astype(np.uint8)
    if given == channels:
        found = model.reconstruct(pixels[np.newaxis])[0]
    elif channels == 3:
        found = model.reconstruct(np.repeat(pixels, 3, axis=2)[np.newaxis])[0]
        found = found.mean(2, keepdims=True, dtype=np.float64).astype(np.float32)
    else:
        found = model.reconstruct(np.moveaxis(pixels, 2, 0)[..., np.newaxis])
        found = np.moveaxis(found[..., 0], 0, 2)
    return np.clip(found, 0, 1)


def _one(
    options: Any, models: dict[int, Any], path: Path, out: Path, number: int
) -> dict[str, Any]:
    """Clean a picture and write it; return what there is to say of it."""
    from . import _photos

    photo = _photos.Photo(path)
    noisy = photo.pixels
    if options.noise is not None:
        rng = np.random.default_rng((vars(options)[f"{PREFIX}random_state"], number))
        noisy = noisy + options.noise * rng.standard_normal(noisy.shape)
        noisy = np.clip(noisy, 0, 1).astype(np.float32)
    with command_errors(str(path)):
        found = clean(models[noisy.shape[2]], noisy)
    photo.save(out, found)
    facts: dict[str, Any] = {"picture": path.name, "kind": photo.kind}
    if options.noise is not None:
        facts["psnr_noisy"] = psnr(photo.pixels, noisy)
    facts["psnr"] = psnr(photo.pixels, found)
    return facts


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio of pictures of 0 to 1, in decibels."""
    error = float(np.square(a.astype(np.float64) - b).mean())
    return -10 * float(np.log10(error)) if error else float("inf")


def _lines(facts: dict[str, Any], is_folder: bool) -> list[str]:
    """Return the answer as text."""
    rows, lines = facts["pictures"], list[str]()
    for row in rows:
        said = f"PSNR {row['psnr']:.2f} dB"
        if "psnr_noisy" in row:
            said = f"PSNR {row['psnr_noisy']:.2f} dB with noise, {row['psnr']:.2f} dB without"
        else:
            said += " from what was given"
        lines.append(f"{row['picture']}: {row['kind']}: {said}")
    if len(rows) > 1 and "psnr_noisy" in facts:
        lines.append(f"mean: {facts['psnr_noisy']:.2f} dB with noise, {facts['psnr']:.2f} without")
    many = f"{len(rows)} picture{'s' * (len(rows) != 1)} in " if is_folder else ""
    return [*lines, f"{many}{facts['out']} ({facts['seconds']:.1f} s)"]
