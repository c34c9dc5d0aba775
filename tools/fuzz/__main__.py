"""Search for faults for a long time, with inputs that nobody thinks of.

    python tools/fuzz COMMAND [COUNT [SEED [FIRST]]]       by default 1000 of seed 0, from 0; Linux

files       models and compressed bytes that are wrong in ways that keep their structure
raw         bytes: damaged files and compressed bytes, and random ones, out of memory
functional  calls of aecore.functional, right and wrong, beside the twins in NumPy
readers     equal values in other types, layouts and containers, for fitted models
coverage    bytes that atheris makes for what they reach, where it is installed

Each is a file here that says what is allowed. A fault is shown with the command that has the same
input again, and the last line says what was run. After a crash build/fuzz/COMMAND.at has the number
of the input. `make fuzz ARGS='raw 10000'` does it with what `make dev` builds, `make fuzz-asan`
under AddressSanitizer and UndefinedBehaviorSanitizer.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

COMMANDS = "files", "raw", "functional", "readers", "coverage"


def main(arguments: list[str]) -> int:
    command, n, seed, first = [*arguments, *["", "1000", "0", "0"][len(arguments) :]][:4]
    if command not in COMMANDS:
        print(__doc__)
        return 2 * bool(command)
    return importlib.import_module(command).main(int(n), seed, int(first))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
