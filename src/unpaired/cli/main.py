"""The command line: finds the command, and says what went wrong in one way."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from unpaired import __version__
from unpaired.cli import COMMANDS
from unpaired.cli.arguments import Parser
from unpaired.errors import UnpairedError, UsageError, suggest_name


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: 0, 2 for wrong usage, 1 for work that failed, 130 when interrupted."""
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        return run_command(argv)
    except UnpairedError as error:
        if not error.is_reported_elsewhere:
            sys.stderr.write(f"unpaired: {error}\n")
        return error.exit_code
    except PermissionError as error:
        if error.filename is None:
            raise
        sys.stderr.write(f"unpaired: {error.filename}: {error.strerror}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("unpaired: interrupted\n")
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0


def run_command(argv: list[str]) -> int:
    """Find the command and run it."""
    summary = "".join(
        f"\n  {name:<13}{command.__doc__.splitlines()[0]}" for name, command in COMMANDS.items() if command.__doc__
    )
    parser = Parser(
        prog="unpaired",
        description="Learn to turn one domain into another from collections without pairs.",
        epilog=f"commands:{summary}\n\n`unpaired COMMAND --help` explains each.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"unpaired {__version__}")
    parser.add_argument("command", metavar="COMMAND", nargs="?")
    global_args = argv[: next((i + 1 for i, word in enumerate(argv) if not word.startswith("-")), len(argv))]
    command = parser.parse_all(global_args).command
    if command is None:
        parser.print_help()
        return 0
    if command not in COMMANDS:
        raise UsageError(f"command '{command}': {suggest_name(command, COMMANDS)}")
    return COMMANDS[command](argv[len(global_args) :])
