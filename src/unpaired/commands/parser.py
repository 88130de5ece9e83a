"""What the commands share: the parser, whose mistakes are UsageErrors, flags of several, and standard output."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from unpaired.errors import UsageError, nearest


class Parser(argparse.ArgumentParser):
    """An argument parser whose mistakes are UsageErrors, and whose unknown flags name the nearest known one."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_abbrev=False, **kwargs)

    def error(self, message: str) -> NoReturn:
        """Raise instead of exiting, so that every mistake is printed in one way."""
        raise UsageError(f"{message}; see `{self.prog} --help`")

    def parse(self, words: Sequence[str], why: Callable[[str], str] = lambda _: "") -> argparse.Namespace:
        """Parse all of `words`; `why` may say of an unknown flag what it is elsewhere, else the nearest is named."""
        asked, unknown = self.parse_known_intermixed_args(words)
        if unknown:
            flag = unknown[0].partition("=")[0]
            self.error(why(flag) or f"{flag}: {nearest(flag, self._option_string_actions)}")
        return asked


def add_judges(parser: argparse.ArgumentParser) -> None:
    """The flag that says which networks judge recordings."""
    from unpaired.evaluation.voice.judges import ALL, KINDS, NONE

    parser.add_argument(
        "--judges",
        metavar="WHICH",
        help=f"of recordings: networks that judge them, {ALL} that are installed (default; slow), {NONE}, or some of "
        f"{','.join(KINDS)} (of words English alone is known; naturalness takes most of the time)",
    )


def add_texts(parser: argparse.ArgumentParser) -> None:
    """The flag of a table of what recordings say."""
    parser.add_argument(
        "--texts",
        type=Path,
        metavar="CSV",
        help="of recordings: what they say, as file,text, to count word errors by (default: what is heard of them)",
    )


def out(text: str) -> None:
    """Print a result on standard output."""
    sys.stdout.write(text if text.endswith("\n") else text + "\n")
    sys.stdout.flush()


def span(text: str) -> tuple[float, float]:
    """`LOW,HIGH` as two numbers."""
    try:
        low, high = map(float, text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"'{text}'; expected two numbers, as 0,4095") from error
    return low, high


def first_line(command: Callable[[list[str]], int]) -> str:
    """What a command does, in a line."""
    return (command.__doc__ or "").splitlines()[0]
