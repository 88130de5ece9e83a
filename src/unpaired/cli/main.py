"""Entry point of the command line: runs a command and reports its errors."""

from __future__ import annotations

import argparse
import sys
import threading
import warnings
from collections.abc import Sequence
from typing import TextIO

from unpaired import __version__
from unpaired.cli import COMMANDS
from unpaired.cli.arguments import Parser
from unpaired.console import log_to_terminal, prepare_streams, silence_stream
from unpaired.errors import (
    UnpairedError,
    UnpairedWarning,
    UsageError,
    format_system_error,
    is_out_of_memory,
    suggest_name,
)

OVERVIEW = """\
Learn to translate between two kinds of pictures or voices from unpaired files.

To start, type:

  unpaired demo                                see it work in minutes, on sample data
  unpaired check PHOTOS PAINTINGS              check your own data: one folder per domain
  unpaired train PHOTOS PAINTINGS              train; the run is written to runs/photos-paintings
  unpaired translate RUN FILES --to DOMAIN     translate files with the run

`unpaired COMMAND --help` explains a command and its options."""
"""First lines of `unpaired --help`: what to type first."""

SYNONYMS = {"report": "evaluate", "test": "evaluate", "predict": "translate", "infer": "translate", "fit": "train"}
"""Words of other programs for commands, which are suggested in their place."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code: 0 success, 1 failed work, 2 wrong usage, 130 interrupted."""
    argv = list(sys.argv[1:] if argv is None else argv)
    prepare_streams()
    with warnings.catch_warnings():
        warnings.showwarning = show_warning
        previous_hook, threading.excepthook = threading.excepthook, show_thread_error
        try:
            code = run_safely(argv)
        finally:
            threading.excepthook = previous_hook
    try:
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError):
        silence_stream(sys.stdout)
    return code


def run_safely(argv: list[str]) -> int:
    """Run a command, report an error in one line, and return the exit code."""
    try:
        return run_command(argv)
    except UnpairedError as error:
        if not error.is_reported_elsewhere:
            log_to_terminal(f"unpaired: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        log_to_terminal("unpaired: interrupted")
        return 130
    except BrokenPipeError:  # the reader of the output has exited
        silence_stream(sys.stdout)
        return 0
    except (OSError, MemoryError, RuntimeError, ModuleNotFoundError) as error:
        reason = explain_failure(error)
        if reason is None:
            raise
        log_to_terminal(f"unpaired: {reason}")
        return 1


def explain_failure(error: OSError | MemoryError | RuntimeError | ModuleNotFoundError) -> str | None:
    """Explain an error of the system or the installation; None for an error of this package."""
    if isinstance(error, OSError):
        return format_system_error(error)
    if isinstance(error, ModuleNotFoundError):
        is_torch = (error.name or "").partition(".")[0] == "torch"
        return f"this needs torch, which is missing: pip install unpaired=={__version__}" if is_torch else None
    if not is_out_of_memory(error):
        return None
    details = f" ({str(error).splitlines()[0][:200]})" if str(error) else ""
    return (
        f"not enough memory{details}; use smaller values of --size, --width or --batch-size, or raise "
        "--grad-accumulation"
    )


def show_thread_error(arguments: threading.ExceptHookArgs) -> None:
    """Print a system error of a background thread in one line, without a traceback."""
    if isinstance(arguments.exc_value, OSError):
        log_to_terminal(f"note: {format_system_error(arguments.exc_value)}")
    else:
        threading.__excepthook__(arguments)


def show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,  # noqa: ARG001 - the signature of warnings.showwarning
    line: str | None = None,
) -> None:
    """Print warnings of this package as notes, and others in Python's format."""
    if issubclass(category, UnpairedWarning):
        log_to_terminal(f"note: {message}")
    else:
        log_to_terminal(warnings.formatwarning(message, category, filename, lineno, line).rstrip("\n"))


def run_command(argv: list[str]) -> int:
    """Parse the command's name and run it. Raises UsageError for an unknown command."""
    summary = "".join(
        f"\n  {name:<13}{command.__doc__.splitlines()[0]}" for name, command in COMMANDS.items() if command.__doc__
    )
    parser = Parser(
        prog="unpaired",
        usage="unpaired COMMAND [options]",
        description=OVERVIEW,
        epilog=f"commands:{summary}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"unpaired {__version__}")
    parser.add_argument("command", metavar="COMMAND", nargs="?", help="one of the commands below")
    global_args = argv[: next((i + 1 for i, word in enumerate(argv) if not word.startswith("-")), len(argv))]
    command = parser.parse_all(global_args).command
    if command is None:
        parser.print_help()
        return 0
    if command not in COMMANDS:
        known = SYNONYMS.get(command)
        raise UsageError(f"command '{command}': {suggest_name(known or command, COMMANDS)}")
    return COMMANDS[command](argv[len(global_args) :])
