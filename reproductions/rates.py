"""MNIST and CIFAR-10: how many bits a pixel codes take, and the error of what comes back.

The first 5,000 test images are compressed at once by `aecore.compress`, whose header, quantiser and
learned frequencies count; the parameters of the models don't, as the standard's tables don't for
JPEG. Beside them:

- PCA, as a linear autoencoder whose weights are the components, so that its coefficients are
  rounded and coded by the same function. Steps are about equally wide in all coordinates, of PCA
  and autoencoders alike, and coordinates whose range is a step or so are left out: that is reverse
  water-filling, the best there is for normal coefficients.
- JPEG through Pillow, each image a file of its own. Of such small images most of a file is header
  and tables, 330 bytes in grey and 625 in colour that are the same in all of them, which is unfair
  to JPEG: it is shown as it is and for the scan alone, the bytes between the last header and the
  end marker.

Our copy of CIFAR-10 has been through JPEG at quality 75 before: asked for that quality again, JPEG
gives its own choices back, at 52 dB where a little less or more gives 40. Qualities above 50 would
measure that and aren't shown; those below are still a little flattered.

Models are small and trained for minutes on a part of the images, so the figures are where a user
starts, not what the models can do. That is enough for less error than PCA and JPEG at low rates of
MNIST, and not on CIFAR-10: there the error of the decoder, which no further bits make less, is soon
all there is.

usage: AECORE_DATA=folder python reproductions/rates.py
"""

from __future__ import annotations

import functools
import io
import pathlib
from typing import Any, NamedTuple

import aecore as ae
import numpy as np
from results import record

PICTURE = pathlib.Path(__file__).parents[1] / "docs/images/compression.png"
SETS = {"MNIST": ae.datasets.load_mnist, "CIFAR-10": ae.datasets.load_cifar10}
TRAINING, TEST = 10_000, 5_000  # images
EPOCHS = 6
AUTOENCODER_EPOCHS = {"MNIST": 24, "CIFAR-10": 6}  # dense layers are cheap
FIT = {"batch_size": 64, "learning_rate": 2e-3, "random_state": 0}
QUALITIES = {"MNIST": (1, 5, 10, 25, 50, 80, 95), "CIFAR-10": (1, 5, 10, 25, 50)}
COMPONENTS = {"MNIST": 300, "CIFAR-10": 700}
PRECISIONS = (2, 2.5, 3, 3.5, 4, 5, 6, 7, 8)  # bits of the first component
FINENESS = (2, 3, 4, 5, 6)  # bits of the widest coordinate
WIDTHS = {"MNIST": (8, 32), "CIFAR-10": (64, 256)}  # of the autoencoders' codes
GRIDS = ((3, 256, 1), (2, 256, 1), (2, 256, 3))  # of VQ-VAEs: halvings, entries, codebooks


class Point(NamedTuple):
    """What one setting of a method gives: bits a pixel and decibels, and what it is called."""

    rate: float
    psnr: float
    label: str = ""


@functools.cache
def images(name: str) -> tuple[np.ndarray, np.ndarray]:
    X, _, X_test, _ = SETS[name]()
    return X[:TRAINING], X_test[:TEST]


def measured(X: np.ndarray, decoded: np.ndarray, data: Any, label: str) -> Point:
    found = ae.metrics.rate_distortion(X, decoded, data)
    return Point(found.bits_per_pixel, found.psnr, label)


# ---- codes --------------------------------------------------------------------------------------


def depths(width: np.ndarray, bits: float) -> np.ndarray:
    """Return bits for coordinates of some ranges such that all have about the widest one's step."""
    found = np.rint(np.log2(width / width.max() * (2**bits - 1) + 1)).astype(int)
    return np.where(found < 2, 0, found)  # with two levels, both are where hardly any values are


def rounded(model: Any, X: np.ndarray, precisions: tuple[float, ...]) -> list[Point]:
    """Compress with continuous codes of several bits."""
    codes, points = model.transform(X), []
    for bits in precisions:
        data = ae.compress(model, X, bits=depths(np.ptp(codes, 0), bits))
        decoded = ae.decompress(model, data)
        points.append(measured(X, decoded, data, f"code {codes.shape[1]}, {bits} bits"))
    return points


def best(points: list[Point]) -> list[Point]:
    """Return the points that no other has both at fewer bits and with less error, in order."""
    found: list[Point] = []
    for point in sorted(points):
        if not found or point.psnr > found[-1].psnr:
            found.append(point)
    return found


@functools.cache
def pca(name: str) -> list[Point]:
    X, X_test = images(name)
    count = COMPONENTS[name]
    model = ae.Autoencoder(ae.Dense(()), count).initialize(X)
    flat = X.reshape(len(X), -1) / np.float32(255)
    mean = flat.mean(0)
    _, vectors = np.linalg.eigh(np.cov(flat.T, dtype=np.float32))
    axes = vectors[:, : -count - 1 : -1]
    weights = {axes.T.shape: axes.T, axes.shape: axes, mean.shape: mean}
    for value in model.parameters_.values():
        value[...] = weights.get(value.shape, -mean @ axes)
    return best(rounded(model, X_test, PRECISIONS))


@functools.cache
def autoencoder(name: str) -> list[Point]:
    X, X_test = images(name)
    arch = ae.Dense((512, 256)) if name == "MNIST" else ae.Conv((16, 32, 64))
    epochs, points = AUTOENCODER_EPOCHS[name], []
    for width in WIDTHS[name]:
        schedule = ae.Cosine(epochs)
        options = {"epochs": epochs, "schedule": schedule, "init": "uniform", **FIT}
        model = ae.Autoencoder(arch, width, **options).fit(X)
        points += rounded(model, X_test, FINENESS)
    return best(points)


@functools.cache
def vqvae(name: str) -> list[Point]:
    X, X_test = images(name)
    points = []
    for halvings, entries, codebooks in GRIDS:
        arch = ae.ResNet(32, 16, 1, halvings)
        schedule = ae.Cosine(EPOCHS)
        rule = {"quantizers": codebooks, "epochs": EPOCHS, "schedule": schedule}
        model = ae.VQVAE(arch, entries, 32, **rule, **FIT).fit(X)
        data = ae.compress(model, X_test)
        shape = " x ".join(map(str, model.transform(X_test[:1]).shape[1:]))
        points.append(measured(X_test, ae.decompress(model, data), data, f"codes {shape}"))
    return best(points)


# ---- JPEG ---------------------------------------------------------------------------------------


def scan_size(file: bytes) -> int:
    """Return how many bytes of a JPEG file are its scan, without the end marker."""
    start = file.index(b"\xff\xda")
    return len(file) - start - 2 - int.from_bytes(file[start + 2 : start + 4], "big") - 2


@functools.cache
def jpeg(name: str) -> tuple[list[Point], list[Point]]:
    """Return the points of whole files, and of their scans."""
    from PIL import Image

    _, X = images(name)
    whole, scans = [], []
    for quality in QUALITIES[name]:
        decoded, sizes = np.empty_like(X), np.zeros(2, np.int64)
        for i, pixels in enumerate(X):
            file = io.BytesIO()
            Image.fromarray(pixels.squeeze()).save(file, "JPEG", quality=quality)
            sizes += len(file.getvalue()), scan_size(file.getvalue())
            decoded[i] = np.asarray(Image.open(file)).reshape(pixels.shape)
        for points, size in zip((whole, scans), sizes, strict=True):
            points.append(measured(X, decoded, int(size), f"quality {quality}"))
    return best(whole), best(scans)


# ---- results ------------------------------------------------------------------------------------


def beside(points: list[Point], rate: float) -> str:
    """Return the decibels of a method at a rate, between its points."""
    rates, psnrs = np.array([point[:2] for point in points]).T
    if not rates[0] <= rate <= rates[-1]:
        return "none"
    return f"{np.interp(np.log(rate), np.log(rates), psnrs):.1f}"


def row(name: str, points: list[Point]) -> str:
    """Return the points of a method, each with PCA and JPEG at its rate."""
    _, scans = jpeg(name)
    return "; ".join(
        f"{p.psnr:.1f} dB at {p.rate:.2f} ({p.label}; PCA {beside(pca(name), p.rate)}, "
        f"JPEG {beside(scans, p.rate)})"
        for p in points
    )


def jpeg_row(name: str) -> str:
    whole, scans = jpeg(name)
    constant = (whole[0].rate - scans[0].rate) * images(name)[1][0, :, :, 0].size / 8
    chosen = [i for i, p in enumerate(whole) if p.label.split()[1] in ("10", "50", "80", "95")]
    return f"{constant:.0f} bytes of header and tables a file; " + "; ".join(
        f"{whole[i].psnr:.1f} dB at {scans[i].rate:.2f} ({whole[i].rate:.2f} with them)"
        for i in chosen
    )


def thinned(points: list[Point], count: int = 4) -> list[Point]:
    """Return a few of the points, from the first to the last."""
    places = np.unique(np.linspace(0, len(points) - 1, count).round().astype(int))
    return [points[i] for i in places]


def draw() -> None:
    """Draw decibels over bits a pixel, a panel for each data set."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from PIL import Image

    rules = {"axes.spines.top": False, "axes.spines.right": False, "font.size": 8}
    with plt.rc_context(rules):
        figure, panels = plt.subplots(1, 2, figsize=(7.2, 3.0), dpi=200, layout="constrained")
        for ax, name in zip(panels, SETS, strict=True):
            whole, scans = jpeg(name)
            for points, label, color, marker, dash in (
                (vqvae(name), "VQ-VAE, indices", "#d55e00", "o", "-"),
                (autoencoder(name), "Autoencoder, rounded codes", "#0072b2", "s", "-"),
                (pca(name), "PCA, rounded coefficients", "#009e73", "^", "-"),
                (scans, "JPEG without header and tables", "#333333", "v", "-"),
                (whole, "JPEG, whole files", "#767676", "v", ":"),
            ):
                rates, psnrs = np.array([point[:2] for point in points]).T
                rule = {"color": color, "marker": marker, "linestyle": dash, "label": label}
                ax.plot(rates, psnrs, markersize=3, linewidth=1.2, **rule)
            ax.set(xscale="log", xlabel="bits a pixel", xlim=(0.03, 12))
            ax.set_xticks([0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10], minor=False)
            ax.xaxis.set_major_formatter("{x:g}")
            ax.minorticks_off()
            ax.set_title(f"{name}, {TEST:,} test images", loc="left", fontsize=9)
            ax.yaxis.get_major_locator().set_params(integer=True)
            ax.grid(axis="y", color="#e5e5e5", linewidth=0.5)
        panels[0].set_ylabel("PSNR, dB")
        panels[0].legend(frameon=False, fontsize=6.5, loc="upper left")
        figure.savefig(PICTURE)
    few = Image.open(PICTURE).convert("RGB").quantize(64, dither=Image.Dither.NONE)
    few.save(PICTURE, optimize=True)  # a third of the bytes


def main() -> None:
    for name in SETS:
        n = AUTOENCODER_EPOCHS[name]
        record(
            f"JPEG (Pillow), {name}: PSNR at bits a pixel without header and tables",
            "what the next two are beside",
            "Wallace 1991",
            functools.partial(jpeg_row, name),
            0,
        )
        record(
            f"VQ-VAE codes, {name}, {EPOCHS} epochs of {TRAINING:,}: PSNR at bits a pixel",
            "above JPEG without its tables",
            "van den Oord et al. 2017 (the model)",
            lambda name=name: row(name, vqvae(name)),
        )
        record(
            f"Autoencoder codes, rounded, {name}, {n} epochs of {TRAINING:,}: PSNR at bits a pixel",
            "above JPEG without its tables; PCA is the best linear code",
            "Ballé et al. 2017 (rounding and entropy coding)",
            lambda name=name: row(name, thinned(autoencoder(name))),
        )
    draw()


if __name__ == "__main__":
    main()
