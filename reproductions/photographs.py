"""Noise of a deviation of 0.1 on four photographs that no training has seen, taken away.

Beside a U-Net trained here in ten minutes, and the one that comes with the package: total variation
and non-local means of scikit-image, each with the parameters that are best on these very pictures,
and BM3D, which is told the deviation. All are given the same noisy pictures, cut to 0..1.

usage: AECORE_DATA=folder python reproductions/photographs.py [FOLDER]     to have the pictures too
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import aecore as ae
import numpy as np
from results import record

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / "tools"))
SIGMA, CROPS, EPOCHS = 0.1, 25_000, 5
Denoise = Callable[[np.ndarray], np.ndarray]


def photographs() -> dict[str, np.ndarray]:
    """scikit-learn's two, one of matplotlib's and one of scikit-image's, as 0..1."""
    import matplotlib.cbook
    from PIL import Image
    from skimage import data
    from sklearn.datasets import load_sample_image

    hopper = matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)
    found = {
        "china": load_sample_image("china.jpg"),
        "flower": load_sample_image("flower.jpg"),
        "hopper": np.asarray(Image.open(hopper)),
        "chelsea": data.chelsea(),
    }
    return {name: np.float32(x / 255) for name, x in found.items()}


CLEAN = photographs()
NOISY = {
    name: np.clip(x + SIGMA * np.random.default_rng(1).standard_normal(x.shape), 0, 1).astype("f4")
    for name, x in CLEAN.items()
}


def psnr(found: dict[str, np.ndarray]) -> np.ndarray:
    errors = [np.square(np.clip(found[k], 0, 1) - x, dtype="f8").mean() for k, x in CLEAN.items()]
    return -10 * np.log10(errors)


def keep(name: str, found: dict[str, np.ndarray]) -> None:
    """Write some pictures, if that is asked for."""
    if len(sys.argv) > 1:
        from PIL import Image

        folder = Path(sys.argv[1])
        folder.mkdir(exist_ok=True)
        for key, x in found.items():
            pixels = np.rint(np.clip(x, 0, 1) * 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{key} {name}.png")


def told(name: str, found: dict[str, np.ndarray]) -> str:
    """Keep some pictures, and return their figures."""
    keep(name, found)
    each = psnr(found)
    parts = ", ".join(f"{k} {v:.2f}" for k, v in zip(CLEAN, each, strict=True))
    return f"{each.mean():.2f} dB ({parts})"


def each(denoise: Denoise) -> dict[str, np.ndarray]:
    return {name: denoise(x) for name, x in NOISY.items()}


def best(name: str, ways: list[Denoise]) -> str:
    """Return the figures of the way that is best on the mean."""
    return told(name, max((each(way) for way in ways), key=lambda found: psnr(found).mean()))


def total_variation() -> str:
    from skimage.restoration import denoise_tv_chambolle

    def way(weight: float) -> Denoise:
        return lambda x: denoise_tv_chambolle(x, weight=weight, channel_axis=-1)

    return best("total variation", [way(w) for w in (0.04, 0.05, 0.06, 0.07, 0.08, 0.1)])


def non_local_means() -> str:
    from skimage.restoration import denoise_nl_means

    def way(h: float, size: int, distance: int) -> Denoise:
        how = {"patch_size": size, "patch_distance": distance, "channel_axis": -1}
        return lambda x: denoise_nl_means(x, h=h * SIGMA, sigma=SIGMA, fast_mode=True, **how)

    grid = [(h, s, d) for h in (0.4, 0.5, 0.6, 0.7) for s, d in ((3, 5), (5, 6), (7, 11))]
    return best("non-local means", [way(*g) for g in grid])


def bm3d() -> str:
    from bm3d import bm3d_rgb

    return told("bm3d", each(lambda x: bm3d_rgb(x.astype("f8"), SIGMA)))


def trained() -> str:
    from denoiser import training_images

    model = ae.Autoencoder(
        ae.UNet((32, 64)),
        corruption=ae.GaussianNoise(SIGMA, clip=(0, 1)),
        learning_rate=2e-3,
        schedule=ae.Cosine(EPOCHS),
        batch_size=16,
        epochs=EPOCHS,
        random_state=0,
        verbose=1,
    ).fit(ae.data.crops(training_images(), 32, CROPS))
    return told("unet", dict(zip(NOISY, model.reconstruct(list(NOISY.values())), strict=True)))


def pretrained() -> str:
    model = ae.load_denoiser()
    return told(
        "pretrained", dict(zip(NOISY, model.reconstruct(list(NOISY.values())), strict=True))
    )


if __name__ == "__main__":
    keep("clean", CLEAN)
    task = "Noise of 0.1 on 4 photographs: "
    source = "the same run"
    record(task + "as they are", "20", "the deviation", lambda: told("noisy", NOISY), 0)
    record(
        task + "total variation, best weight", "what to beat by 1 dB", source, total_variation, 0
    )
    record(task + "non-local means, best of 12", "what to beat by 1 dB", source, non_local_means, 0)
    record(task + "BM3D, told the deviation", "beside", source, bm3d, 0)
    record(task + "load_denoiser, not told it", "1 dB above the first two", source, pretrained)
    record(
        task + f"UNet (32, 64), {CROPS * EPOCHS:,} crops of 32 x 32",
        "1 dB above the first two",
        source,
        trained,
    )
