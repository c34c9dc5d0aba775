"""What the tests of the command line share: running it in-process."""

import json

from aecore import cli


def status(*arguments):
    """Run a command; return its exit status, argparse's own too."""
    try:
        return cli.main([str(a) for a in arguments])
    except SystemExit as end:
        return end.code


def told(capsys, *arguments):
    """Run a command that succeeds, with --json; return its answer."""
    capsys.readouterr()
    assert status(*arguments, "--json", "--quiet") == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    return json.loads(printed.out)


def complaint(capsys, *arguments):
    """Run a command that can't be done; return the message, without the command's name."""
    capsys.readouterr()
    assert status(*arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    last = printed.err.splitlines()[-1]
    assert "Traceback" not in printed.err
    start = f"aecore {arguments[0]}: "
    assert last.startswith(start)
    return last.removeprefix(start).removeprefix("error: ")
