"""What the commands share: the parser, whose mistakes are UsageErrors, flags of several, and standard output."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from unpaired.console import silence_stream
from unpaired.errors import UsageError, WorkError, suggest_name


class Parser(argparse.ArgumentParser):
    """An argument parser whose mistakes are UsageErrors, and whose unknown flags name the nearest known one."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_abbrev=False, **kwargs)

    def error(self, message: str) -> NoReturn:
        """Raise instead of exiting, so that every mistake is printed in one way."""
        raise UsageError(f"{message}; see `{self.prog} --help`")

    def parse_all(
        self, argv: Sequence[str], explain_unknown: Callable[[str], str] = lambda _: ""
    ) -> argparse.Namespace:
        """Parse all of `words`; `why` may say of an unknown flag what it is elsewhere, else the nearest is named."""
        args, unknown = self.parse_known_intermixed_args(argv)
        if unknown:
            flag = unknown[0].partition("=")[0]
            self.error(explain_unknown(flag) or f"{flag}: {suggest_name(flag, self._option_string_actions)}")
        return args


def add_judges(parser: argparse.ArgumentParser) -> None:
    """The flag that says which networks judge recordings."""
    from unpaired.media.voice.metrics.judges import ALL, JUDGE_KINDS, NONE

    parser.add_argument(
        "--judges",
        metavar="WHICH",
        help=f"of recordings: networks that judge them, {ALL} that are installed (default; slow), {NONE}, or some of "
        f"{','.join(JUDGE_KINDS)} (of words English alone is known; naturalness takes most of the time)",
    )


def add_texts(parser: argparse.ArgumentParser) -> None:
    """The flag of a table of what recordings say."""
    parser.add_argument(
        "--texts",
        type=Path,
        metavar="CSV",
        help="of recordings: what they say, as file,text, to count word errors by (default: what is heard of them)",
    )


def print_result(text: str) -> None:
    """Print a result on standard output.

    A reader who has left (`unpaired check DATA | head`) is no error; raises WorkError where it cannot be written.
    """
    try:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        silence_stream(sys.stdout)
    except OSError as error:
        silence_stream(sys.stdout)
        raise WorkError(f"standard output: cannot be written ({error.strerror})") from error


def get_summary(command: Callable[[list[str]], int]) -> str:
    """What a command does, in a line."""
    return (command.__doc__ or "").splitlines()[0]
