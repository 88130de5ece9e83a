"""`unpaired doctor`."""

from __future__ import annotations

import argparse
from pathlib import Path

from unpaired.cli.arguments import Parser, print_result


def doctor(argv: list[str]) -> int:
    """Show versions, devices, threads, installed extras and folders, for a bug report."""
    from unpaired.diagnosis import diagnose

    parser = Parser(
        prog="unpaired doctor",
        description="Look at this installation and machine, and print what a bug report needs. Paste all of it. Exit "
        "code 1 if something is wrong; each such line begins with WRONG and says what to do.",
        formatter_class=argparse.HelpFormatter,
    )
    parser.add_argument(
        "--out", type=Path, default=Path(), metavar="DIR", help="folder to try writing in (default: the current one)"
    )
    args = parser.parse_all(argv)
    report = diagnose(args.out)
    print_result("\n".join(report.lines))
    return 1 if report.problems else 0
