"""Draw the pictures of docs/guides/cost-model.md from bench/results.json; needs matplotlib."""

import json
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from PIL import Image

ROOT = Path(__file__).parent.parent
COLORS = {
    "none": "0.55",
    "1 GbE": "tab:red",
    "10 GbE": "tab:orange",
    "InfiniBand HDR": "tab:blue",
}
PLAIN = FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"1/{1 / value:.0f}")


def panels(count: int, **options):
    """Return a figure, and so many axes beside each other."""
    figure = Figure(figsize=(9.6, 3.4), layout="constrained")
    return figure, figure.subplots(1, count, squeeze=False, **options)[0]


def save(figure, name: str) -> None:
    path = ROOT / "docs/images" / name
    figure.savefig(path, dpi=100)
    few = Image.open(path).convert("RGB").quantize(64, dither=Image.Dither.NONE)
    few.save(path, optimize=True)  # a third of the bytes


def plain(axis, ticks) -> None:
    """Have these ticks of a logarithmic axis, as plain numbers, and no others."""
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(PLAIN)
    axis.set_minor_locator(NullLocator())


def speedup(found: dict) -> None:
    rows = found["rows"]
    figure, axes = panels(len(rows), sharey=True)
    for axis, row in zip(axes, rows, strict=True):
        for net, curve in row["speedup"].items():
            counts = [int(p) for p in curve]
            axis.plot(counts, list(curve.values()), "o-", ms=3.5, color=COLORS[net], label=net)
        axis.plot(counts, counts, "--", color="0.7", lw=1, label="P times as fast")
        axis.axhline(1, color="0.7", lw=1)
        axis.set_xscale("log", base=2)
        axis.set_yscale("log", base=2)
        plain(axis.xaxis, counts)
        plain(axis.yaxis, [4.0**k for k in range(-3, 4)])
        axis.set_ylim(4**-3.3, 4**3.1)
        axis.set_title(f"{row['workload']}, batch {row['batch']:,}", fontsize=10)
        axis.set_xlabel("processes P")
    axes[0].set_ylabel("speed-up, one process = 1")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    figure.suptitle("Long passes and fast networks: many processes pay; small models never gain")
    save(figure, "cost-speedup.png")


def smallest(found: dict) -> None:
    rows = found["rows"]
    titles = list(rows[0]["smallest"]["1 GbE"])
    figure, axes = panels(len(titles), sharey=True)
    highest = max(n or 0 for row in rows for net in row["smallest"].values() for n in net.values())
    never = 100 * highest
    for axis, title in zip(axes, titles, strict=True):
        for i, row in enumerate(rows):
            axis.plot(row["batch"], i, "|", ms=22, color="0.3")
            for k, (net, sizes) in enumerate(row["smallest"].items()):
                n, y = sizes[title], i + 0.22 * (k - 1)
                axis.plot([1, n or never], [y, y], lw=1, color=COLORS[net], alpha=0.4)
                axis.plot(n or never, y, "o" if n else "x", color=COLORS[net], label=net)
        axis.set_xscale("log")
        axis.set_xlim(1.3, 4 * never)
        powers = [k for k in range(1, 9, 2) if 30 * 10**k < never]
        names = [*(f"$10^{k}$" for k in powers), "never"]
        axis.set_xticks([*(10.0**k for k in powers), never], names)
        axis.xaxis.set_minor_locator(NullLocator())
        axis.grid(axis="x", color="0.92")
        axis.set_title(title.replace("`", ""), fontsize=10)
        axis.set_xlabel("samples of a batch")
    axes[0].set_yticks(range(len(rows)), [row["workload"] for row in rows])
    axes[0].set_ylim(len(rows) - 0.5, -0.5)
    marks = [("o", 6, color, net) for net, color in list(COLORS.items())[1:]]
    marks.append(("|", 11, "0.3", "the batch of the other pictures"))
    handles = [Line2D([], [], ls="", marker=m, ms=n, color=c, label=t) for m, n, c, t in marks]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    figure.suptitle(
        "The smallest batch that pays: small on fast networks, and where passes are long"
    )
    save(figure, "cost-smallest.png")


def simulated(found: dict) -> None:
    rows = found["rows"]
    figure, axes = panels(len(rows))
    errors = []
    for axis, row in zip(axes, rows, strict=True):
        known = row["simulated"]
        for i, (net, ms) in enumerate(known["ms"].items()):
            said = known["model_ms"][net]
            errors.append(abs(said / ms - 1))
            axis.bar(i, ms, 0.7, color=COLORS[net], alpha=0.6, label="measured (bars)")
            axis.plot([i - 0.42, i + 0.42], [said, said], "k-", lw=2, label="model (lines)")
            text = f"{said / ms - 1:+.0%}"
            axis.annotate(text, (i, max(ms, said)), (0, 4), textcoords="offset points", ha="center")
        names = ["none", *("1 GbE", "10 GbE"), "HDR"]
        axis.set_xticks(range(len(names)), names, fontsize=8.5)
        axis.set_title(f"{row['workload']}, batch {row['batch']:,}", fontsize=10)
        axis.margins(y=0.12)
        axis.set_xlabel("network played")
    axes[0].set_ylabel("ms a step of two processes")
    figure.suptitle(
        "Two processes, messages made slow: bars are measured, black lines the model; it is off by "
        f"{max(errors):.0%} at most"
    )
    save(figure, "cost-simulated.png")


def crowd(found: dict) -> None:
    figure, axes = panels(2)
    kinds = {
        "strong": "one batch of {batch:,} samples, whatever P",
        "weak": "{share} samples of each process",
    }
    for axis, (kind, title) in zip(axes, kinds.items(), strict=True):
        rows = [row for row in found["crowd"] if row["kind"] == kind]
        places = range(len(rows))
        work, said, messages = (
            [row[name] for row in rows] for name in ("work_ms", "model_ms", "message_ms")
        )
        both = [a + b for a, b in zip(work, messages, strict=True)]
        axis.plot(places, both, "s-", color="tab:purple", label="all, with messages and waiting")
        axis.plot(places, work, "o-", color="tab:green", label="work: passes, sums, steps")
        axis.plot(places, said, "k--", label="work by the model")
        axis.set_yscale("log")
        ticks = [1, 3, 10, 30, 100, 300, 1000, 3000]
        plain(axis.yaxis, [t for t in ticks if min(said) / 2 < t < 2 * max(both)])
        axis.grid(axis="y", color="0.92")
        axis.set_xticks(places, [str(row["processes"]) for row in rows])
        axis.set_xlabel("processes P, on the cores of this machine")
        share = rows[0]["batch"] // rows[0]["processes"]
        axis.set_title(title.format(batch=rows[0]["batch"], share=share), fontsize=10)
    axes[0].set_ylabel("CPU ms a step, all processes together")
    axes[0].legend(loc="upper left")
    figure.suptitle("What each process does itself adds up, and waiting for others more so")
    save(figure, "cost-crowd.png")


def main() -> None:
    found = json.loads((ROOT / "bench/results.json").read_text())["cost"]
    for draw in (speedup, smallest, simulated, crowd):
        draw(found)


if __name__ == "__main__":
    main()
