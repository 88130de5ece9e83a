"""`unpaired doctor`."""

from __future__ import annotations

import argparse
from pathlib import Path

from unpaired.cli.arguments import Parser, print_result


def doctor(argv: list[str]) -> int:
    """Check this installation: versions, devices, speed, extras and folders, for a bug report."""
    from unpaired.diagnosis import diagnose

    parser = Parser(
        prog="unpaired doctor",
        description="Check this installation and machine. Paste the full output into a bug report. Each problem is a "
        "line that starts with WRONG and says how to fix it. Exit code 1 if there is one.",
        formatter_class=argparse.HelpFormatter,
    )
    parser.add_argument(
        "--out", type=Path, default=Path(), metavar="DIR", help="folder to test writing to (default: the current one)"
    )
    args = parser.parse_all(argv)
    report = diagnose(args.out)
    print_result("\n".join(report.lines))
    return 1 if report.problems else 0
