"""Shared parts of the commands: the argument parser, summaries, and output of results."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from unpaired.console import escape_control_characters, silence_stream
from unpaired.errors import UsageError, WorkError, suggest_name
from unpaired.limits import set_limits


class Parser(argparse.ArgumentParser):
    """An argument parser that raises UsageError and suggests the closest flag for an unknown one."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_abbrev=False, **kwargs)

    def error(self, message: str) -> NoReturn:
        """Raise UsageError instead of exiting, so that `main` prints all errors in the same form."""
        raise UsageError(f"{message}; see `{self.prog} --help`")

    def parse_all(
        self, argv: Sequence[str], explain_unknown: Callable[[str], str] = lambda _: ""
    ) -> argparse.Namespace:
        """Parse `argv` and set the limits of `unpaired.limits`, whose flags every command accepts without listing them.

        Raises UsageError for an unknown flag, with the explanation of `explain_unknown`, or with the closest flag if
        that returns an empty string.
        """
        self.add_argument("--max-pixels", metavar="N", help=argparse.SUPPRESS)
        self.add_argument("--max-hours", metavar="H", help=argparse.SUPPRESS)
        args, unknown = self.parse_known_intermixed_args(argv)
        if unknown:
            flag = unknown[0].partition("=")[0]
            if not flag.startswith("-"):
                self.error(f"{unknown[0]}: unexpected argument")
            self.error(explain_unknown(flag) or f"{flag}: {suggest_name(flag, self._option_string_actions)}")
        set_limits(args.max_pixels, args.max_hours)
        return args


def add_run_argument(parser: argparse.ArgumentParser, other_kinds: str = "") -> None:
    """Add the argument RUN, a string: a folder or a shared run. `other_kinds` names what else a command accepts."""
    help_text = f"folder of a run that `unpaired train` wrote{other_kinds}, or hf:USER/NAME"
    parser.add_argument("run", metavar="RUN", help=help_text)


def add_paths_argument(parser: argparse.ArgumentParser, dest: str, metavar: str, help_text: str) -> None:
    """Add an argument of any number of paths; without the default, argparse would call it required."""
    parser.add_argument(dest, nargs="*", default=[], type=Path, metavar=metavar, help=help_text)


def add_source_flag(parser: argparse.ArgumentParser) -> None:
    """Add --from, as `source`."""
    help_text = "domain of the inputs; needed if several domains translate to --to"
    parser.add_argument("--from", dest="source", metavar="DOMAIN", help=help_text)


def add_checkpoint_flag(parser: argparse.ArgumentParser) -> None:
    """Add --checkpoint."""
    help_text = "model to use (default: best, or last if there is no best)"
    parser.add_argument("--checkpoint", metavar="last|best", help=help_text)


def add_device_flag(parser: argparse.ArgumentParser) -> None:
    """Add --device."""
    parser.add_argument("--device", default="auto", help="device: auto, cpu, cuda or mps (default: auto)")


def print_result(text: str) -> None:
    """Print a result on standard output.

    A closed pipe (`unpaired check DATA | head`) is no error. Raises WorkError for other failures of writing.
    """
    text = escape_control_characters(text)
    try:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        silence_stream(sys.stdout)
    except OSError as error:
        silence_stream(sys.stdout)
        raise WorkError(f"standard output: cannot be written ({error.strerror})") from error


def get_summary(command: Callable[[list[str]], int]) -> str:
    """Return the first line of a command's docstring."""
    return (command.__doc__ or "").splitlines()[0]
