"""Draw the strip at the top of README.md, light and dark: what the package does, in four pictures.

The digits are drawn by a CVAE that is trained on MNIST, which is looked for in $AECORE_DATA; all
else comes with aecore and scikit-learn. A minute or two.

    python tools/hero.py
"""

import tempfile
from pathlib import Path
from typing import NamedTuple

import aecore as ae
import gallery
import numpy as np
from matplotlib import colors as mcolors
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from sklearn.datasets import load_sample_image

IMAGES = Path(__file__).parent.parent / "docs" / "images"
COLORS = ("#0072b2", "#d55e00", "#009e73", "#e69f00", "#56b4e9", "#cc79a7", "#888888", "#b8a400",
          "#cc0033", "#9955ff")  # fmt: skip
TITLES = (
    "maps of unlabelled data",
    "noise taken out",
    "one hand, ten digits: all drawn by a model",
    "gaps filled, wrong cells found",
)


class Theme(NamedTuple):
    """Colours of the paper, of what is written, of filled cells and of wrong ones."""

    paper: str
    ink: str
    behind: str
    filled: str
    wrong: str


THEMES = {
    "hero.png": Theme("#ffffff", "#222222", "#e6eef5", "#0072b2", "#d55e00"),
    "dark/hero.png": Theme("#0d1117", "#f0f6fc", "#1c3144", "#79c0ff", "#ff8a3d"),
}
THUMBNAIL = 0.062  # of the map's width
COLUMNS = ("kind", "city", "area", "rooms", "heating", "price")


def clothes():
    """Return codes in two dimensions, and what they are of."""
    X, _, X_test, y_test = ae.datasets.load_fashion_small()
    model = ae.VAE(ae.Dense((256, 64)), latent_dim=2, loss="bce", beta=0.5, learning_rate=2e-3,
                   epochs=40, random_state=0)  # fmt: skip
    codes = model.fit(X).transform(X_test)
    return (codes - codes.min(0)) / np.ptp(codes, axis=0), X_test[..., 0], y_test


def digits():
    """Return pictures (6, 10, 28, 28): a row has one code, a column one digit."""
    X, y, *_ = ae.datasets.load_mnist()
    model = ae.CVAE(ae.Dense((512, 256)), latent_dim=8, loss="bce", epochs=12, random_state=0)
    model.fit(X, y)
    drawn = [model.sample(6, y=digit, random_state=3) for digit in range(10)]
    return np.stack(drawn, axis=1)[..., 0]


def photograph():
    """Return a photograph whose right half has been cleaned."""
    photo = load_sample_image("flower.jpg")[100:380, 180:520] / 255
    noise = np.random.default_rng(0).normal(0, 0.15, photo.shape)
    noisy = np.clip(photo + noise, 0, 1)
    clean = ae.load_denoiser().reconstruct(noisy[None])[0]
    middle = photo.shape[1] // 2
    return np.clip(np.concatenate([noisy[:, :middle], clean[:, middle:]], axis=1), 0, 1)


def homes():
    """Return rows as texts, where they had gaps, and which cells are wrong by their model."""
    X, _ = ae.datasets.make_homes()
    model = ae.TabularAutoencoder(latent_dim=6, epochs=60, random_state=0).fit(X)
    full, odd = model.impute(X)[list(COLUMNS)], model.score_cells(X)
    gaps = [X[c] == "" if X[c].dtype.kind == "U" else np.isnan(X[c]) for c in COLUMNS]
    gaps = np.stack(gaps, axis=1)
    whole = ~gaps.any(axis=1)
    worst = np.flatnonzero(whole)[np.argsort(odd[whole].max(axis=1))[:-3:-1]]
    holed = np.flatnonzero(gaps.sum(axis=1) == 1)
    rows = np.array([holed[0], holed[1], worst[0], holed[2], holed[3], worst[1], holed[4]])
    texts = [[v if isinstance(v, str) else f"{v:.0f}" for v in full[r].item()] for r in rows]
    wrong = np.isin(rows, worst)[:, None] & (odd[rows] == odd[rows].max(axis=1, keepdims=True))
    return texts, gaps[rows], wrong


def draw_map(ax, codes, pictures, labels):
    ax.scatter(*codes.T, s=9, c=[COLORS[label] for label in labels], linewidths=0, alpha=0.9)
    placed = []
    for code, picture, label in zip(codes, pictures, labels, strict=True):
        if all(np.abs(code - other).max() > 1.25 * THUMBNAIL for other in placed):
            placed.append(code)
            low, high = code - THUMBNAIL / 2, code + THUMBNAIL / 2
            ax.imshow(picture, cmap="gray", extent=(low[0], high[0], low[1], high[1]), zorder=2)
            ax.add_patch(
                Rectangle(low, THUMBNAIL, THUMBNAIL, fill=False, lw=1.1, ec=COLORS[label], zorder=3)
            )
    ax.set(xlim=(-0.04, 1.04), ylim=(-0.04, 1.04), aspect="auto")


def draw_table(ax, texts, gaps, wrong, theme):
    for i, row in enumerate([list(COLUMNS), *texts]):
        for j, text in enumerate(row):
            filled, odd = i and gaps[i - 1, j], i and wrong[i - 1, j]
            look = {"color": theme.ink, "weight": "bold" if filled or odd or not i else "normal"}
            if filled:
                look["color"] = theme.filled
                ax.add_patch(Rectangle((j + 0.03, i + 0.08), 0.94, 0.84, fc=theme.behind, lw=0))
            if odd:
                look["color"] = theme.wrong
                box = {"fill": False, "ec": theme.wrong, "lw": 1.6}
                ax.add_patch(Rectangle((j + 0.04, i + 0.1), 0.92, 0.8, **box))
            ax.text(j + 0.5, i + 0.52, text, ha="center", va="center", size=8, **look)
    ax.set(xlim=(0, len(COLUMNS)), ylim=(len(texts) + 1, 0), aspect="auto")


def main():
    codes, pictures, labels = clothes()
    hands, photo, table = digits(), photograph(), homes()
    hands = np.pad(hands, ((0, 0), (0, 0), (1, 1), (1, 1)))
    hands = hands.transpose(0, 2, 1, 3).reshape(hands.shape[0] * 30, hands.shape[1] * 30)
    shapes = [1, photo.shape[1] / photo.shape[0], hands.shape[1] / hands.shape[0], 1.95]
    for name, theme in THEMES.items():
        figure = Figure(figsize=(12, 2.25), facecolor=theme.paper)
        # all of one height, side by side
        gap, bottom, height = 0.012, 0.03, 0.84
        unit = (1 - gap * (len(shapes) + 1)) / sum(shapes)
        left, axes = gap, []
        for shape in shapes:
            axes.append(figure.add_axes((left, bottom, unit * shape, height)))
            left += unit * shape + gap
        draw_map(axes[0], codes, pictures, labels)
        axes[1].imshow(photo, aspect="auto")
        axes[1].axvline(photo.shape[1] / 2, color="white", lw=1)
        ink, paper = (mcolors.to_rgb(c) for c in (theme.ink, theme.paper))
        share = np.clip(hands, 0, 1)[..., None]
        axes[2].imshow(share * ink + (1 - share) * paper, aspect="auto")
        draw_table(axes[3], *table, theme)
        for ax, title in zip(axes, TITLES, strict=True):
            ax.set_title(title, color=theme.ink, size=9.5, pad=5)
            ax.axis("off")
        with tempfile.TemporaryDirectory() as folder:
            file = f"{folder}/hero.png"
            figure.savefig(file, dpi=200, metadata={"Software": None})
            gallery.store(file, IMAGES / name)


if __name__ == "__main__":
    main()
