"""The command line: ``aecore COMMAND``.

A command is a function that takes the subparsers, adds its own and sets ``run``, a function from
the parsed options to an exit status; `COMMANDS` lists them in the order of the help text. What a
command needs beyond this file it imports when it runs, so that ``aecore --help`` is quick.

Exit status: 0 done, 2 the call can't be done as it was made (a wrong option, a file or a package
that is missing), 130 interrupted. Anything else that is raised is a bug, and shows its traceback.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import textwrap
from collections.abc import Callable, Sequence
from importlib import metadata, util
from typing import Any

from . import __version__, build_info, get_num_threads

Subparsers = Any  # argparse names the class, but not for use


class CommandError(Exception):
    """A call that can't be done; its message is one for the user."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; by default those of the process.

    Returns
    -------
    int
        The exit status.
    """
    parser = _parser()
    options = parser.parse_args(argv)
    try:
        return int(options.run(options))
    except CommandError as error:
        print(f"aecore {options.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\naecore {options.command}: interrupted", file=sys.stderr)
        return 130


def require(command: str, extra: str, *modules: str) -> None:
    """Raise CommandError if a package that a command needs is missing."""
    if any(util.find_spec(module) is None for module in modules):
        raise CommandError(f"this needs packages that are missing: pip install 'aecore[{extra}]'")


def add_command(
    commands: Subparsers, run: Callable[[Any], int], name: str, text: str, examples: str
) -> argparse.ArgumentParser:
    """Add a command; the first sentence of its text is its line in the list of commands."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=text.split(". ")[0].rstrip("."),
        description=textwrap.fill(text, 80),
        epilog="examples:\n" + textwrap.indent(textwrap.dedent(examples).strip(), "  "),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run, command=name)
    return parser


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="aecore",
        description="Autoencoders for NumPy users, with an OpenMP-parallel C core.",
        epilog="aecore COMMAND --help tells more, with examples",
    )
    parser.add_argument("--version", action="version", version=f"aecore {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in COMMANDS:
        add(commands)
    return parser


# --------------------------------------------------------------------------------------------------
# demo


def _add_demo(commands: Subparsers) -> None:
    parser = add_command(
        commands,
        _demo,
        "demo",
        "Train autoencoders of five kinds and show what they do. Prints a table of results beside "
        "PCA's, and writes pictures and a page that explains them, report.html, into a folder. "
        "The digits come with scikit-learn; MNIST and CIFAR-10 are looked for in $AECORE_DATA and "
        "in the user's cache, and downloaded if pooch is installed.",
        """
        aecore demo
        aecore demo --data mnist --out mnist-demo
        aecore demo --quick --seed 1
        """,
    )
    data = ("digits", "mnist", "cifar10")
    parser.add_argument("--data", choices=data, default=data[0], help="default: %(default)s")
    parser.add_argument("--out", default="./aecore-demo", metavar="FOLDER", help="%(default)s")
    parser.add_argument(
        "--seed", type=_seed, default=0, metavar="N", help="of all that is random: %(default)s"
    )
    parser.add_argument(
        "--quick", action="store_true", help="train on less data and for less long, to try it out"
    )


def _seed(text: str) -> int:
    value = int(text)
    if not 0 <= value < 2**32:
        raise argparse.ArgumentTypeError(f"expected 0 to 4294967295, got {text}")
    return value


def _demo(options: Any) -> int:
    require("demo", "demo", "matplotlib", "sklearn")
    from . import demo

    try:
        demo.run(options.data, options.out, seed=options.seed, quick=options.quick)
    except demo.DemoError as error:
        raise CommandError(str(error)) from error
    return 0


# --------------------------------------------------------------------------------------------------
# info


def _add_info(commands: Subparsers) -> None:
    parser = add_command(
        commands,
        _info,
        "info",
        "Say what is installed. Versions, the instruction set and the kernels that were chosen for "
        "this CPU, the number of threads, and which optional packages there are.",
        """
        aecore info
        aecore info --json
        AECORE_ISA=baseline aecore info
        """,
    )
    parser.add_argument("--json", action="store_true", help="for programs")


OPTIONAL = ("matplotlib", "scikit-learn", "pandas", "pooch", "mpi4py", "torch")


def _info(options: Any) -> int:
    packages = ("numpy", "safetensors", "tqdm", *OPTIONAL)
    facts = {
        "aecore": __version__,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "machine": f"{platform.system()} {platform.machine()}",
        "threads": get_num_threads(),
        "build": build_info(),
        "packages": {name: _version(name) for name in packages},
    }
    print(json.dumps(facts, indent=2) if options.json else "\n".join(_lines(facts)))
    return 0


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _lines(facts: dict[str, Any], indent: str = "") -> list[str]:
    """Lay out nested facts, the names of a level padded to equal length."""
    lines, width = [], max(map(len, facts), default=0)
    for name, value in facts.items():
        if isinstance(value, dict):
            lines += [f"{indent}{name}", *_lines(value, indent + "  ")]
        else:
            shown = "not installed" if value is None else value
            if isinstance(value, (list, tuple)):
                shown = " ".join(map(str, value))
            lines.append(f"{indent}{name:{width}}  {shown}")
    return lines


# --------------------------------------------------------------------------------------------------
# bench


def _add_bench(commands: Subparsers) -> None:
    parser = add_command(
        commands,
        _bench,
        "bench",
        "Time training on this machine. For each reference model milliseconds a step, samples a "
        "second and the share of the machine's multiply-add peak, measured in the same run. "
        "`make bench` in a copy of the sources times more, beside PyTorch and ONNX Runtime.",
        """
        aecore bench
        aecore bench --only mlp-ae conv-ae --rounds 10
        aecore bench --json bench.json
        """,
    )
    parser.add_argument("--only", nargs="+", default=(), metavar="MODEL", help="default: all")
    parser.add_argument("--rounds", type=_rounds, default=3, metavar="N", help="%(default)s")
    parser.add_argument("--quick", action="store_true", help="only see that everything runs")
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well")


def _rounds(text: str) -> int:
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, got {text}")
    return value


def _bench(options: Any) -> int:
    from ._bench import report, workloads

    unknown = sorted(set(options.only) - set(workloads.WORKLOADS))
    if unknown:
        known = ", ".join(workloads.WORKLOADS)
        raise CommandError(f"--only: expected some of {known}; got {unknown[0]}")
    found = report.run(options.rounds, tuple(options.only), options.quick)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(found, file, indent=1)
    return 0


COMMANDS: tuple[Callable[[Subparsers], None], ...] = (_add_demo, _add_info, _add_bench)
