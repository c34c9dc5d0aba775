"""``aecore completion``: scripts with which a shell completes commands and options.

They are made from the parser and don't run Python. Where no option is being written, shells
complete the names of files.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any, NamedTuple

from ._command import Subparsers, add_command


class Command(NamedTuple):
    """The completions after a command.

    Attributes
    ----------
    name, help : str
    flags : dict of str to str
        Options and what they do.
    choices : dict of str to list of str
        The values of options that have few.
    words : list of str
        The values of arguments that have few.
    """

    name: str
    help: str
    flags: dict[str, str]
    choices: dict[str, list[str]]
    words: list[str]


def add_completion(commands: Subparsers) -> None:
    """Add completion."""
    parser = add_command(
        commands,
        _completion,
        "completion",
        "Print a script with which a shell completes commands and options.",
        """
        aecore completion fish > ~/.config/fish/completions/aecore.fish
        source <(aecore completion bash)    # in ~/.bashrc
        source <(aecore completion zsh)     # in ~/.zshrc, below compinit
        """,
    )
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS))
    parser.set_defaults(commands=commands)


def _completion(options: Any) -> int:
    print("\n".join(SHELLS[options.shell](_described(options.commands))))
    return 0


def _described(commands: Subparsers) -> list[Command]:
    """Return the completions of argparse's parsers."""
    texts = {action.dest: action.help or "" for action in commands._choices_actions}
    return [
        _command(name, texts[name], parser._actions) for name, parser in commands.choices.items()
    ]


def _command(name: str, text: str, actions: list[argparse.Action]) -> Command:
    found = Command(name, text, {}, {}, [])
    for action in actions:
        choices = [str(c) for c in action.choices or ()]
        if not action.option_strings:
            found.words.extend(choices)
        for option in action.option_strings:
            found.flags[option] = " ".join((action.help or "").split()).replace("%%", "%")
            if choices:
                found.choices[option] = choices
    return found


def _bash(commands: list[Command]) -> Iterator[str]:
    yield "_aecore() {"
    yield '    local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}" choices='
    yield '    case "$COMP_CWORD:${COMP_WORDS[1]}:$before" in'
    yield f'        1:*) choices="{" ".join(c.name for c in commands)} --help --version" ;;'
    for command in commands:
        for option, choices in command.choices.items():
            yield f'        *:{command.name}:{option}) choices="{" ".join(choices)}" ;;'
        if command.words:
            yield f'        2:{command.name}:*) choices="{" ".join(command.words)}" ;;'
    yield "    esac"
    yield "    if [[ -z $choices && $word == -* ]]; then"
    yield '        case "${COMP_WORDS[1]}" in'
    for command in commands:
        yield f'            {command.name}) choices="{" ".join(command.flags)}" ;;'
    yield "        esac"
    yield "    fi"
    yield '    COMPREPLY=($(compgen -W "$choices" -- "$word"))'
    yield "}"
    yield "complete -o default -F _aecore aecore"


def _zsh(commands: list[Command]) -> Iterator[str]:
    yield "#compdef aecore"
    yield "autoload -U +X bashcompinit && bashcompinit"
    yield from _bash(commands)


def _fish(commands: list[Command]) -> Iterator[str]:
    yield "complete -c aecore -n __fish_use_subcommand -f"
    for command in commands:
        first = f"complete -c aecore -n __fish_use_subcommand -a {command.name}"
        yield f"{first} -d {_quoted(command.help)}"
    for command in commands:
        within = f"complete -c aecore -n {_quoted(f'__fish_seen_subcommand_from {command.name}')}"
        if command.words:
            yield f"{within} -a {_quoted(' '.join(command.words))}"
        for option, text in command.flags.items():
            name = f"-l {option[2:]}" if option.startswith("--") else f"-s {option[1:]}"
            values = command.choices.get(option)
            taken = f" -x -a {_quoted(' '.join(values))}" if values else ""
            yield f"{within} {name}{taken} -d {_quoted(text[:80])}"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


SHELLS = {"bash": _bash, "zsh": _zsh, "fish": _fish}
