"""Turn the latest figures, results.json of bench and reproductions, into tables beside them."""

import json
from pathlib import Path

ROOT = Path(__file__).parent.parent


def table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def bench(found: dict) -> str:
    machine, rows = found["machine"], []
    for row in found["rows"]:
        peers = row["peers"]
        best = row.get("best_peer", "")
        rows.append(
            [
                row["workload"],
                f"{row['ms_median']:.1f}",
                f"{peers[best]['ms_median']:.1f} ({best})" if best else "",
                f"**{row['ratio']:.2f}x**" if best else "",
                f"{row['share_of_peak']:.0%}",
            ]
        )
    about = (
        f"Medians of interleaved rounds on {machine['cpu']}, {machine['threads']} threads, "
        f"{machine['isa']}, aecore {machine['aecore']}; a step is a batch of 128. The ratio is the "
        "median over rounds; the share of the multiply-add peak, measured in the same run, is of "
        "the fastest round.\n"
    )
    header = ["workload", "aecore, ms a step", "best PyTorch, ms", "ratio", "share of peak"]
    return about + "\n" + table(header, rows)


def reproductions(found: dict) -> str:
    rows = [
        [what, row["wanted"], row["ours"], row["source"], f"{row['seconds']} s"]
        for what, row in found.items()
    ]
    return table(["what", "wanted", "ours", "source", "time"], rows)


for folder, write in (("bench", bench), ("reproductions", reproductions)):
    file = ROOT / folder / "results.json"
    if file.exists():
        file.with_suffix(".md").write_text(write(json.loads(file.read_text())))
