"""Draw how fast aecore is beside others, from bench/results.json.

Bars on a logarithmic axis of ratios begin at 1: to the right aecore is faster, to the left slower.
Every training workload is there, and every measurement of a single sample, those that are lost too.
"""

import json
import math
from html import escape
from pathlib import Path

from tables import machine

ROOT = Path(__file__).parent.parent
WORKLOADS = {
    "mlp-ae": "autoencoder, dense layers",
    "conv-ae": "autoencoder, convolutions",
    "conv-vae": "VAE, convolutions",
    "vq-vae": "VQ-VAE, residual blocks",
    "cvae": "conditional VAE, dense layers",
    "lstm-ae": "autoencoder, LSTM",
    "transformer-ae": "autoencoder, transformer",
}
MODELS = {"mlp-ae": "dense layers", "conv-ae": "convolutions"}
PEERS = {"PyTorch": "eager, channels_last or compiled", "JAX": "compiled; three workloads"}
PAUSES = {0.0: "calls in a loop", 0.001: "1 ms between calls", 0.05: "50 ms between calls"}
THEMES = {
    "speed.svg": {
        "paper": "#ffffff", "ink": "#1f2328", "faint": "#59636e", "grid": "#d1d9e0",
        "PyTorch": "#0072b2", "JAX": "#e69f00",
        0.0: "#00664b", 0.001: "#009e73", 0.05: "#7fcdb5",
    },
    "dark/speed.svg": {
        "paper": "#131416", "ink": "#e6edf3", "faint": "#9ba5b0", "grid": "#3d444d",
        "PyTorch": "#56a8dc", "JAX": "#e69f00",
        0.0: "#a5e3cf", 0.001: "#2fc296", 0.05: "#12785a",
    },
}  # fmt: skip
WIDTH, LEFT, RIGHT = 860, 300, 48  # names to the left, room for a value to the right
LOW, HIGH = 0.5, 8.0
BAR, GAP = 13, 10


def x_of(ratio: float) -> float:
    part = math.log(max(LOW, min(HIGH, ratio)) / LOW) / math.log(HIGH / LOW)
    return LEFT + part * (WIDTH - LEFT - RIGHT)


class Drawing:
    """Lines of SVG from the top down."""

    def __init__(self, theme: dict) -> None:
        self.theme, self.lines, self.y = theme, [], 0.0

    def text(self, x: float, words: str, fill="ink", size=13, anchor="start", weight=400) -> None:
        self.lines.append(
            f'<text x="{x:.1f}" y="{self.y:.1f}" fill="{self.theme[fill]}" font-size="{size}" '
            f'text-anchor="{anchor}" font-weight="{weight}">{escape(words)}</text>'
        )

    def bar(self, ratio: float, color) -> None:
        left, right = sorted((x_of(1), x_of(ratio)))
        self.lines.append(
            f'<rect x="{left:.1f}" y="{self.y:.1f}" width="{max(1.5, right - left):.1f}" '
            f'height="{BAR - 2}" fill="{self.theme[color]}"/>'
        )
        self.y += BAR - 3.5
        slow = ratio < 1
        x = left - 5 if slow else right + 5
        self.text(x, f"{ratio:.2f}", size=11.5, anchor="end" if slow else "start")
        self.y += 3.5

    def group(self, name: str, about: str, bars: list[tuple[float, object]]) -> None:
        top = self.y
        self.y = top + len(bars) * BAR / 2 + 3.5
        self.text(LEFT - 16, name, anchor="end")
        if about:
            self.lines[-1] = self.lines[-1].replace(
                "</text>", f' <tspan fill="{self.theme["faint"]}">{escape(about)}</tspan></text>'
            )
        self.y = top
        for ratio, color in bars:
            self.bar(ratio, color)
        self.y += GAP

    def legend(self, entries: dict) -> None:
        x = float(LEFT)
        for color, words in entries.items():
            self.lines.append(
                f'<rect x="{x:.1f}" y="{self.y - 10:.1f}" width="11" height="11" '
                f'fill="{self.theme[color]}"/>'
            )
            self.text(x + 17, words, size=12)
            x += 33 + 6.6 * len(words)
        self.y += 14

    def axis(self, top: float) -> None:
        """Put grid lines behind the bars since `top`, and their ratios below."""
        lines = []
        bottom, self.y = self.y, self.y + 13
        for power in range(round(math.log2(LOW)), round(math.log2(HIGH)) + 1):
            x, strong = x_of(2.0**power), power == 0
            lines.append(
                f'<line x1="{x:.1f}" y1="{top:.1f}" x2="{x:.1f}" y2="{bottom:.1f}" '
                f'stroke="{self.theme["ink" if strong else "grid"]}"/>'
            )
            name = "equal" if strong else f"{2.0**power:g} times"
            self.text(x, name, "faint", 11.5, "middle")
        self.text(x_of(0.5**0.5), "← slower", "faint", 11.5, "middle")
        self.text(x_of(2**0.5), "faster →", "faint", 11.5, "middle")
        self.lines[:0] = lines
        self.y += 16


def training(found: list[dict]) -> list[tuple[str, dict]]:
    """Return for each workload the ratios to the best of PyTorch's variants, and to JAX."""
    rows = []
    for row in found:
        jax = {n: p for n, p in row["peers"].items() if n.startswith("JAX")}
        torch = {n: p for n, p in row["peers"].items() if n not in jax}
        ratios = {
            peer: min(variants.values(), key=lambda v: v["ms_median"])["ratio"]
            for peer, variants in (("PyTorch", torch), ("JAX", jax))
            if variants
        }
        rows.append((row["workload"], ratios))
    return rows


def single(found: list[dict]) -> list[tuple[str, dict]]:
    """Return the ratios to ONNX Runtime of one sample, by what is asked and by pause."""
    rows: dict[str, dict] = {}
    for row in found:
        if row["batch"] == 1:
            name = f"{row['method']}, {MODELS[row['workload']]}"
            rows.setdefault(name, {})[row["pause"]] = row["ratios"]["ONNX Runtime"]
    return list(rows.items())


def heading(name: str, ratios: list[float]) -> str:
    wins = sum(ratio > 1 for ratio in ratios)
    most = f"{min(ratios):.1f} to {max(ratios):.1f} times as fast"
    return f"{name}: faster in {wins} of {len(ratios)}, {most}"


def panel(d: Drawing, title: str, legend: dict, rows: list[tuple[tuple[str, str], dict]]) -> None:
    d.text(20, title, size=16, weight=600)
    d.y += 24
    d.legend(legend)
    top = d.y
    d.y += 6
    for names, ratios in rows:
        d.group(*names, [(ratio, color) for color, ratio in ratios.items()])
    d.axis(top)


def draw(results: dict, theme: dict) -> str:
    train, one = training(results["train"]), single(results["encode"])
    d = Drawing(theme)
    d.y = 30
    beside_torch = [ratios["PyTorch"] for _, ratios in train]
    panel(
        d,
        heading("Training beside the best of PyTorch", beside_torch),
        {peer: f"{peer} ({how})" for peer, how in PEERS.items()},
        [((name, WORKLOADS[name]), ratios) for name, ratios in train],
    )
    d.y += 22
    beside_onnx = [ratio for _, ratios in one for ratio in ratios.values()]
    panel(
        d,
        heading("One sample beside ONNX Runtime", beside_onnx),
        PAUSES,
        [((name, ""), ratios) for name, ratios in one],
    )
    d.y += 8
    where, versions = machine(results["machine"]).rstrip(".\n").split("; ")
    for line in (where, versions):
        d.text(20, line, "faint", 11.5)
        d.y += 16
    body = "\n".join(d.lines)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {d.y:.0f}" width="{WIDTH}" '
        f'height="{d.y:.0f}" font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, '
        f'sans-serif" role="img">\n<title>How many times as fast as PyTorch, JAX and ONNX Runtime '
        f'aecore is</title>\n<rect width="100%" height="100%" rx="6" fill="{theme["paper"]}"/>\n'
        f"{body}\n</svg>\n"
    )


if __name__ == "__main__":
    results = json.loads((ROOT / "bench/results.json").read_text())
    for name, theme in THEMES.items():
        (ROOT / "docs/images" / name).write_text(draw(results, theme))
