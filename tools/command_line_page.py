"""Render docs/cli.md: the arguments of every command, from the parsers that the commands build."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from unittest.mock import patch

from tools.settings_page import escape_cell
from unpaired.cli import COMMANDS
from unpaired.cli.arguments import Parser
from unpaired.cli.option_flags import DEST_PREFIX
from unpaired.methods import METHODS

COMMANDS_WITH_SETTINGS = ("train", "compare")
"""Commands that take the settings of a run as flags."""


class ParserCaptured(BaseException):
    """Raised in place of the command's work; carries its parser and the parsed arguments."""

    def __init__(self, parser: Parser, namespace: argparse.Namespace | None = None) -> None:
        super().__init__()
        self.parser, self.namespace = parser, namespace


def capture_parser(command: str, argv: list[str]) -> Parser:
    """Return the parser that `unpaired COMMAND` builds for `argv`, without running the command."""

    def capture(self: Parser, *_: Any, **__: Any) -> argparse.Namespace:
        raise ParserCaptured(self)

    with patch.object(Parser, "parse_all", capture):
        try:
            COMMANDS[command](argv)
        except ParserCaptured as captured:
            return captured.parser
    raise AssertionError(f"{command} does not call parse_all")


def parse_command(command: str, argv: list[str]) -> argparse.Namespace:
    """Parse `argv` with the parser of `unpaired COMMAND`, without running it; raises its UsageError."""
    parse_all: Callable[..., argparse.Namespace] = Parser.parse_all

    def stop(self: Parser, *args: Any, **kwargs: Any) -> argparse.Namespace:
        raise ParserCaptured(self, parse_all(self, *args, **kwargs))

    with patch.object(Parser, "parse_all", stop):
        try:
            COMMANDS[command](argv)
        except ParserCaptured as captured:
            assert captured.namespace is not None
            return captured.namespace
    raise AssertionError(f"{command} does not call parse_all")


def render_cli() -> str:
    """Render docs/cli.md."""
    lines = [
        "# Command line",
        "",
        "`unpaired COMMAND --help` prints the same. Exit codes: 0 success, 1 the work failed, 2 wrong usage, 130 "
        "interrupted. For an unknown flag, the message suggests the closest one.",
        "",
    ]
    for command, function in COMMANDS.items():
        parser = capture_parser(command, [])
        actions = list_shown_actions(parser._actions)
        own = [a for a in actions if not a.dest.startswith(DEST_PREFIX) or command not in COMMANDS_WITH_SETTINGS]
        positionals, options = [a for a in own if not a.option_strings], [a for a in own if a.option_strings]
        usage = " ".join(
            ["unpaired", command, *(format_positional(a) for a in positionals), *(["[options]"] * bool(options))]
        )
        lines += [f"## {command}", "", inspect.getdoc(function) or "", "", "```text", usage, "```", ""]
        if own:
            lines += render_arguments([*positionals, *options], parser)
        if command == "train":
            lines += render_train_settings()
        elif command in COMMANDS_WITH_SETTINGS:
            lines += ["The flags of the settings are those of `unpaired train`: [settings](settings.md).", ""]
    return "\n".join(lines).rstrip() + "\n"


def list_shown_actions(actions: Iterable[argparse.Action]) -> list[argparse.Action]:
    """List the arguments that help shows, without `--help` itself."""
    return [action for action in actions if action.help != argparse.SUPPRESS and action.dest != "help"]


def render_arguments(actions: Sequence[argparse.Action], parser: Parser) -> list[str]:
    """Render a table of arguments."""
    rows = [f"| {format_argument(a)} | {escape_cell(expand_help(a, parser))} |" for a in actions]
    return ["| argument | description |", "|---|---|", *rows, ""]


def render_train_settings() -> list[str]:
    """Render every flag of the settings, as `unpaired train --help-all` shows them, with those of every method."""
    lines = [
        "The settings are flags too. `unpaired train --help` shows the most used; `--help-all` shows all of them, with "
        "those of the method that `--method` names. [Settings](settings.md) lists their ranges.",
        "",
    ]
    for method in METHODS:
        parser = capture_parser("train", ["--help-all", "--method", method])
        for group in parser._action_groups:
            actions = [a for a in list_shown_actions(group._group_actions) if a.dest.startswith(DEST_PREFIX)]
            is_method = group.title == f"method {method}"
            if actions and (is_method or method == next(iter(METHODS))):
                lines += [f"### train: {group.title}", "", *([group.description, ""] if group.description else [])]
                lines += render_arguments(actions, parser)
    return lines


def format_positional(action: argparse.Action) -> str:
    """Format a positional argument as a usage line shows it."""
    name = str(action.metavar or action.dest.upper())
    shapes = {"*": f"[{name} ...]", "+": f"{name} [{name} ...]", "?": f"[{name}]"}
    if isinstance(action.nargs, int):
        return " ".join([name] * action.nargs)
    return shapes.get(str(action.nargs), name)


def format_argument(action: argparse.Action) -> str:
    """Format the name of an argument and the placeholder of its value."""
    if not action.option_strings:
        return f"`{action.metavar or action.dest.upper()}`"
    value = ""
    if action.nargs != 0 and not isinstance(action, argparse.BooleanOptionalAction):
        value = f" {action.metavar or '|'.join(map(str, action.choices or ())) or action.dest.upper()}"
    return ", ".join(f"`{flag}{escape_cell(value)}`" for flag in action.option_strings)


def expand_help(action: argparse.Action, parser: Parser) -> str:
    """Return an argument's help text with argparse's placeholders filled in."""
    text = (action.help or "").replace("%%", "\0")
    for key, value in {**vars(action), "prog": parser.prog}.items():
        text = text.replace(f"%({key})s", str(value))
    return text.replace("\0", "%")
