"""Turn the latest figures, results.json of bench and reproductions, into tables.

Those of the benchmarks are bench/tables/SECTION.md, and machine.md says where they come from.
"""

import json
from pathlib import Path

ROOT = Path(__file__).parent.parent
NAMES = {"torch": "PyTorch", "onnxruntime": "ONNX Runtime", "jax": "JAX"}
MISSING = "Not measured yet: `make bench` does it.\n"


def table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def machine(found: dict) -> str:
    versions = {"aecore": found["aecore"], "NumPy": found["numpy"], "Python": found["python"]}
    versions |= {NAMES[name]: v for name, v in found.get("peers", {}).items()}
    cores = f"{found['cores']} cores, " if "cores" in found else ""
    return (
        f"{found['cpu']}, {cores}{found['threads']} threads, {found['isa']}; "
        + ", ".join(f"{name} {version}" for name, version in versions.items())
        + ".\n"
    )


def train(found: list[dict]) -> str:
    rows = []
    for row in found:
        jax = {name: peer for name, peer in row["peers"].items() if name.startswith("JAX")}
        torch = {name: peer for name, peer in row["peers"].items() if name not in jax}
        cells = [row["workload"], f"{row['ms_median']:.1f}"]
        for peers in (torch, jax):
            best = min(peers, key=lambda name: peers[name]["ms_median"], default=None)
            peer = peers.get(best)
            variant = f" ({best})" if peers is torch else ""
            cells.append(f"{peer['ms_median']:.1f}{variant}" if peer else "")
            cells.append(f"**{peer['ratio']:.2f}x**" if peer else "")
        rows.append([*cells, f"{row['share_of_peak']:.0%}"])
    header = ["workload", "aecore, ms a step", "best PyTorch, ms", "ratio", "JAX, ms", "ratio"]
    return table([*header, "share of peak"], rows)


def batches(found: list[dict]) -> str:
    rows = []
    for row in found:
        cells = [row["workload"], str(row["batch"]), f"{row['ms_median']:.2f}"]
        cells.append(f"{row['share_of_peak']:.0%}")
        for name in ("eager", "JAX jit"):
            peer = row["peers"].get(name)
            cells += [f"{peer['ms_median']:.2f}", f"**{peer['ratio']:.2f}x**"] if peer else ["", ""]
        rows.append(cells)
    header = [
        "workload",
        "batch",
        "aecore, ms a step",
        "share of peak",
        "PyTorch eager, ms",
        "ratio",
    ]
    return table([*header, "JAX, ms", "ratio"], rows)


def half(found: dict) -> str:
    peers = ("float32", "eager", "eager bfloat16", "compiled bfloat16")
    rows = []
    for row in found["rows"]:
        cells = [row["workload"], str(row["batch"]), f"{row['ms']['bfloat16']:.1f}"]
        for name in peers:
            known = name in row["beside"]
            cells.append(f"{row['ms'][name]:.1f} (**{row['beside'][name]:.2f}x**)" if known else "")
        rows.append(cells)
    header = ["workload", "batch", "bfloat16, ms a step", "float32", "PyTorch float32"]
    text = table([*header, "PyTorch bfloat16", "PyTorch bfloat16, compiled"], rows)
    if not found["losses"]:
        return text
    rows = []
    for name, losses in found["losses"].items():
        apart = [b / a - 1 for a, b in zip(losses["float32"], losses["bfloat16"], strict=True)]
        rows.append(
            [name, f"{sum(apart) / len(apart):+.2%}", ", ".join(f"{a:+.2%}" for a in apart)]
        )
    return text + "\n" + table(["last loss of", "apart, mean of seeds", "each"], rows)


def memory(found: list[dict]) -> str:
    rows = []
    for row in found:
        cells = [row["workload"], f"{row['aecore_mb']:.0f}"]
        if "eager_mb" in row:
            cells += [f"{row['eager_mb']:.0f}", f"**{row['ratio']:.2f}x**"]
        rows.append(cells + [""] * (4 - len(cells)))
    return table(["workload", "aecore, MB", "PyTorch eager, MB", "ratio"], rows)


def encode(found: list[dict]) -> str:
    others = list(dict.fromkeys(name for row in found for name in row["ratios"]))
    rows = []
    for row in found:
        us, pause = row["us"], row.get("pause", 0)
        cells = [f"{row['workload']}, {row['method']}", str(row["batch"])]
        cells += [f"{1e3 * pause:.0f} ms" if pause else "", f"{us['aecore']:.0f}"]
        rows.append(cells + [f"{us[o]:.0f} (**{row['ratios'][o]:.2f}x**)" for o in others])
    header = ["what", "samples", "after", "aecore, µs", *(f"{o}, µs" for o in others)]
    return table(header, rows)


def kernels(found: dict) -> str:
    limits, products, streams = found["limits"], {}, []
    for row in found["rows"]:
        if "gflops" not in row:
            cells = [row["kernel"], f"{row['us']:.0f}", f"{row['gb_s']:.1f}"]
            streams.append([*cells, f"{row['share_of_roof']:.0%}"])
            continue
        name, _, which = row["kernel"].rpartition(", ")
        if which not in ("forward", "backward", "dx", "dw"):
            name, which = row["kernel"], "forward"
        cells = products.setdefault(name, {})
        mark = " W" if row["winograd"] else ""
        cells[which] = f"{row['gflops']:.0f} ({row['share_of_peak']:.0%}){mark}"
    columns = [("forward",), ("dx", "backward"), ("dw",)]
    rows = [
        [name, *(next((cells[c] for c in names if c in cells), "") for names in columns)]
        for name, cells in products.items()
    ]
    about = (
        f"The peak was {limits['peak_gflops']:.0f} GFLOP/s of multiply-adds, memory gave "
        f"{limits['bandwidth_gb']:.1f} GB/s.\n"
    )
    header = ["kernel", "forward", "input gradient, or backward", "weight gradient"]
    first = table(header, rows)
    header = ["kernel", "µs", "GB/s", "of the bandwidth"]
    return f"{about}\nGFLOP/s and share of the peak:\n\n{first}\n{table(header, streams)}"


def scaling(found: list[dict]) -> str:
    axes: dict[str, list[dict]] = {}
    for row in found:
        axes.setdefault(row["axis"], []).append(row)
    rows = [
        [
            axis,
            ", ".join(str(p["size"]) for p in points),
            ", ".join(f"{p['ms']:.1f}" for p in points),
            ", ".join(f"{p['exponent']:.2f}" for p in points if "exponent" in p),
        ]
        for axis, points in axes.items()
    ]
    return table(["of", "sizes", "ms", "exponents of time by work"], rows)


def busy(found: dict) -> str:
    rows = []
    peers = list(
        dict.fromkeys(k for row in found["rows"] for k in row if k in ("eager", "JAX jit"))
    )
    for row in found["rows"]:
        cells = [row["workload"]]
        for name in ("aecore", *peers):
            one = row.get(name)
            cells += (
                [""] * 3
                if one is None
                else [f"{one['quiet_ms']:.1f}", f"{one['busy_ms']:.1f}", f"{one['ratio']:.2f}x"]
            )
        rows.append(cells)
    header = ["workload", "quiet, ms", "busy, ms", "ratio"]
    for name in peers:
        header += [f"{NAMES.get(name, name)}: quiet", "busy", "ratio"]
    return f"The least possible ratio was {found['bound']:.2f}x.\n\n{table(header, rows)}"


def processes(found: list[dict]) -> str:
    names = ("one process", "two processes", "without parts", "PyTorch", "PyTorch DDP")
    rows = []
    for row in found:
        cells = [row["workload"], str(row["batch"])]
        cells += [f"{row['ms'][name]:.1f}" if name in row["ms"] else "" for name in names]
        for name in ("two processes", "PyTorch DDP"):
            known = name in row["efficiency"]
            cells.append(f"**{row['efficiency'][name]:.0%}**" if known else "")
        rows.append(cells)
    header = ["workload", "batch", *(f"{name}, ms" for name in names)]
    return table([*header, "efficiency", "DDP's"], rows)


def rows(found: dict) -> str:
    lines = []
    for row in sorted(found["rows"], key=lambda row: row["task"]):
        worker = f"{row['worker'] / 1e6:,.0f}" if "worker" in row else ""
        times = [f"{row[what]:,.0f}" for what in ("fit", "score")]
        lines.append([row["task"], row["rows"], *times, f"{row['peak'] / 1e6:,.0f}", worker])
    header = ["task", "table", "fit, s", "score, s", "peak memory, MB", "of a worker, MB"]
    return f"{machine(found['machine'])}\n{table(header, lines)}"


def rows_shuffling(found: dict) -> str:
    lines = [
        [row["shuffled"], f"{sum(row['losses']) / len(row['losses']):.2f}"]
        + [", ".join(f"{loss:.2f}" for loss in row["losses"])]
        for row in found["shuffling"]
    ]
    return table(["shuffled together", "mean loss", "of each seed"], lines)


def cost(found: dict) -> str:
    units = {"each": 1e3, "sample": 1e6, "part": 1e3, "passes": 1e6, "row": 1e3}
    rows = []
    for row in found["rows"]:
        numbers = [unit * row["cost"][name] for name, unit in units.items()]
        apart = sorted(abs(step["fit_ms"] / step["ms"] - 1) for step in row["steps"])
        cells = [row["workload"], f"{row['cost']['params']:,}"]
        cells += [f"{v:.3f}" if v < 0.1 else f"{v:.2f}" if v < 10 else f"{v:.0f}" for v in numbers]
        rows.append([*cells, f"{apart[len(apart) // 2]:.0%}", f"{apart[-1]:.0%}"])
    header = ["workload", "parameters"]
    header += [f"`{name}`, {'ms' if unit == 1e3 else 'µs'}" for name, unit in units.items()]
    return table([*header, "fit apart, median", "most"], rows)


def cost_networks(found: dict) -> str:
    rows = [
        [n["name"], f"{n['bandwidth'] / 1e6:,.0f}", f"{1e6 * n['latency']:.0f}", n["source"]]
        for n in found["networks"]
    ]
    return table(["network", "bandwidth, MB/s", "latency, µs", "where from"], rows)


def cost_sent(found: dict) -> str:
    counts = list(found["rows"][0]["sent"])
    rows = [
        [row["workload"], *(f"{row['sent'][p][1] / 1e6:.3g}" for p in counts)]
        for row in found["rows"]
    ]
    messages = [str(found["rows"][0]["sent"][p][0]) for p in counts]
    header = ["MB a step, out of each process and in", *(f"P = {p}" for p in counts)]
    return table(header, [*rows, ["messages a step, of each process", *messages]])


def cost_speedup(found: dict) -> str:
    counts = [p for p in found["rows"][0]["speedup"]["1 GbE"] if p != "1"]
    rows = [
        [f"{row['workload']}, {row['batch']}", net, *(f"{speedup[p]:.2f}" for p in counts)]
        for row in found["rows"]
        for net, speedup in row["speedup"].items()
    ]
    return table(["workload, batch", "network", *(f"P = {p}" for p in counts)], rows)


def cost_smallest(found: dict) -> str:
    rows = [
        [row["workload"], net, *(f"{n:,}" if n else "never" for n in smallest.values())]
        for row in found["rows"]
        for net, smallest in row["smallest"].items()
    ]
    header = ["workload", "network", *found["rows"][0]["smallest"]["1 GbE"]]
    return table(header, rows)


def cost_bounds(found: dict) -> str:
    rows = [
        [f"{row['workload']}, {row['batch']}", net, *(f"{s:.2f}" for s in bounds.values())]
        for row in found["rows"]
        for net, bounds in row["bounds"].items()
    ]
    return table(["workload, batch", "network", "as it is", "overlapped, at best"], rows)


def cost_simulated(found: dict) -> str:
    rows = []
    for row in found["rows"]:
        s = row["simulated"]
        for net, ms in s["ms"].items():
            said = s["model_ms"][net]
            cells = [row["workload"], net if net != "none" else "this machine's memory"]
            rows.append([*cells, f"{ms:.1f}", f"{said:.1f}", f"{said / ms - 1:+.0%}"])
    return table(["workload", "network", "measured, ms a step", "model, ms", "error"], rows)


def cost_own(found: dict) -> str:
    rows = []
    for row in found["rows"]:
        s = row["simulated"]
        cells = [f"{s[name]:.2f}" for name in ("fit_ms", "own_ms", "host_ms")]
        rows.append([row["workload"], *cells, f"{s['own_ms'] / s['fit_ms']:.2f}x"])
    header = ["workload", "own share by the fit, ms", "while both cores are busy, ms"]
    return table([*header, "this machine's messages, ms", "both beside one"], rows)


def cost_crowd(found: dict) -> str:
    rows = [
        [
            f"{row['kind']}, {row['batch']:,}",
            str(row["processes"]),
            *(f"{row[name]:.1f}" for name in ("work_ms", "model_ms", "message_ms", "wall_ms")),
            f"{row['sent_mb']:.3g}",
            f"{row['memory_mb']:.0f}",
        ]
        for row in sorted(found["crowd"], key=lambda row: row["kind"])
    ]
    strong = [row for row in found["crowd"] if row["kind"] == "strong"]
    digests = {digest for row in strong for digest in row["digests"]}
    counts = ", ".join(str(row["processes"]) for row in strong)
    bits = "the same bits" if len(digests) == 1 else f"{len(digests)} kinds of bits: a fault"
    header = ["batches", "P", "CPU of the work, ms", "model, ms", "CPU of messages, ms"]
    text = table([*header, "time, ms", "sent, MB", "memory of each, MB"], rows)
    return f"{text}\nThe strong kind's parameters, with P = {counts}: {bits}.\n"


def cost_machine(found: dict) -> str:
    return machine(found["machine"])


def changes(row: dict, init: str) -> dict[str, list[float]]:
    """Return by data set how much an `init` changes the loss, for each seed of both."""
    return {
        name: [(a - b) / abs(b) for a, b in zip(losses[init], losses["uniform"], strict=False)]
        for name, losses in row["losses"].items()
        if init in losses
    }


def init(found: dict) -> str:
    rows, others = [], ("glorot", "he")
    for row in found["rows"]:
        cells = [row["task"]]
        for other in others:
            sets = changes(row, other)
            if not sets:
                cells += [""] * 3
                continue
            each = [change for found in sets.values() for change in found]
            worst = max(sum(found) / len(found) for found in sets.values())
            mean = sum(each) / len(each)
            cells += [f"**{mean:+.1%}**" if mean < 0 else f"{mean:+.1%}", f"{worst:+.1%}"]
            cells.append(f"{sum(change < 0 for change in each)} of {len(each)}")
        dead = row["dead"]
        shares = [f"{dead[name]:.0%}" for name in ("uniform", *others) if name in dead]
        rows.append([*cells, ", ".join(shares) if max(dead.values()) >= 0.005 else ""])
    header = ["model", *(h for o in others for h in (f"`{o}`", "worst set", "better"))]
    return table([*header, "dead units: uniform, glorot, he"], rows)


def init_sets(found: dict) -> str:
    names = list(dict.fromkeys(name for row in found["rows"] for name in row["losses"]))
    rows = []
    for row in found["rows"]:
        sets = changes(row, "glorot")
        means = {name: sum(found) / len(found) for name, found in sets.items()}
        rows.append([row["task"], *(f"{means[n]:+.1%}" if n in means else "" for n in names)])
    return table(["`glorot` beside `uniform`", *names], rows)


def python(found: dict) -> str:
    rows = [
        [row["workload"], f"{row['share']:.1%}", f"{row['us']:.0f}", str(row["calls"])]
        for row in found["steps"]
    ]
    imports = ", ".join(f"{NAMES.get(k, k)} {v * 1e3:.0f} ms" for k, v in found["import_s"].items())
    size = found["bytes"]
    about = (
        f"To import, NumPy being there: {imports}. The package takes {size['installed'] / 1e6:.1f} "
        f"MB on disk, {size['wheel'] / 1e6:.1f} MB compressed as in a wheel"
        + (", both with debug symbols.\n" if size["debug"] else ".\n")
    )
    header = ["workload", "share of a step", "µs a step", "calls of the core"]
    return f"{about}\n{table(header, rows)}"


SECTIONS = {
    f.__name__: f
    for f in (
        train,
        batches,
        half,
        memory,
        encode,
        kernels,
        scaling,
        busy,
        rows,
        processes,
        cost,
        init,
        python,
    )
}
MORE = {  # tables of a section that has several
    f.__name__: f
    for f in (
        cost_machine,
        cost_networks,
        cost_sent,
        cost_speedup,
        cost_smallest,
        cost_bounds,
        cost_own,
        cost_simulated,
        cost_crowd,
        rows_shuffling,
        init_sets,
    )
}


def reproductions(found: dict) -> str:
    """Return the table of all rows, and how long they took together."""
    rows = [
        [what, *(row[key] for key in ("wanted", "ours", "source"))]
        + [str(row["seeds"] or "–"), f"{row['seconds']:,} s", f"`{row['command']}`"]
        for what, row in found.items()
    ]
    hours = sum(row["seconds"] for row in found.values()) / 3600
    header = ["what", "wanted", "ours", "source", "seeds", "time", "script"]
    return f"{table(header, rows)}\nAll rows together took {hours:.1f} hours.\n"


def pairs(found: dict) -> str:
    """Return a table for each task: the mean over seeds, and how far these are apart."""
    texts = []
    for title, task in found.items():
        units = list(next(iter(task["methods"].values())))
        rows = [
            [name, *(mean_and_spread(unit, values) for unit, values in figures.items())]
            for name, figures in task["methods"].items()
        ]
        texts.append(table([title, *units], rows))
    return "\n".join(texts)


def mean_and_spread(unit: str, values: list[float]) -> str:
    mean, spread = sum(values) / len(values), max(values) - min(values)
    apart = f"{spread:.1g}" if spread < 9.5 else f"{spread:.0f}"
    found = f"{mean:.3g} ({apart})" if "dB" not in unit else f"{mean:.2f} ({spread:.2f})"
    return found if spread else found.partition(" ")[0]


def tutorials(found: dict) -> str:
    rows = [[name, row["here"], row["ours"], row["reports"]] for name, row in found.items()]
    return table(["tutorial", "here", "ours", "it reports"], rows)


def sequences(found: dict) -> str:
    """Return a table of errors, and how long trainings took beside the first architecture."""
    header = ["", *next(iter(found.values()))["methods"]]
    rows, times = [], []
    for title, task in found.items():
        methods = task["methods"].values()
        rows.append([title, *(mean_and_spread("", one["error"]) for one in methods)])
        seconds = [sum(one["seconds"]) for one in methods]
        times.append([value / seconds[0] for value in seconds])
    longest = [f"{min(ratios):.1f} to {max(ratios):.1f}" for ratios in zip(*times, strict=True)]
    return table(header, [*rows, ["time", "1", *longest[1:]]])


def write(folder: Path, found: dict) -> None:
    """Write the benchmarks' tables."""
    folder.mkdir(exist_ok=True)
    (folder / "machine.md").write_text(machine(found["machine"]))
    for name, made in (SECTIONS | MORE).items():
        section = name.partition("_")[0]
        text = made(found[section]) if found.get(section) else MISSING
        (folder / f"{name}.md").write_text(text)


def main() -> None:
    file = ROOT / "bench/results.json"
    if file.exists():
        write(ROOT / "bench/tables", json.loads(file.read_text()))
    pages = {"results": reproductions, "codebooks": pairs}
    pages |= {made.__name__: made for made in (pairs, sequences, tutorials)}
    for name, made in pages.items():
        file = ROOT / f"reproductions/{name}.json"
        if file.exists():
            file.with_suffix(".md").write_text(made(json.loads(file.read_text())))


if __name__ == "__main__":
    main()
