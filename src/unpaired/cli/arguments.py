"""Parts that the commands share: a parser whose mistakes are UsageErrors, options of media, and standard output."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from unpaired.console import silence_stream
from unpaired.errors import UsageError, WorkError, suggest_name
from unpaired.limits import set_limits


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
        """Parse `argv`; for an unknown flag, `explain_unknown` may say where it belongs, else the nearest is named.

        Every command takes the limits against decompression bombs, which its help leaves out.
        """
        self.add_argument("--max-pixels", metavar="N", help=argparse.SUPPRESS)
        self.add_argument("--max-hours", metavar="H", help=argparse.SUPPRESS)
        args, unknown = self.parse_known_intermixed_args(argv)
        if unknown:
            flag = unknown[0].partition("=")[0]
            self.error(explain_unknown(flag) or f"{flag}: {suggest_name(flag, self._option_string_actions)}")
        set_limits(args.max_pixels, args.max_hours)
        return args


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
    """Return the first line of a command's docstring."""
    return (command.__doc__ or "").splitlines()[0]
