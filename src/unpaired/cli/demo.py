"""`unpaired demo`."""

from __future__ import annotations

from pathlib import Path

from unpaired.cli.arguments import Parser, get_summary, print_result
from unpaired.cli.interruption import report_interrupt


def demo(argv: list[str]) -> int:
    """Train on sample data (pictures that come with the package, or voices) and write a report."""
    from unpaired.console import log_to_terminal
    from unpaired.media import MEDIA
    from unpaired.training.trainer import TrainingInterrupt

    parser = Parser(prog="unpaired demo", description=get_summary(demo))
    default, *others = MEDIA.values()
    for medium in others:
        parser.add_argument(
            f"--{medium.name}",
            dest="medium",
            action="store_const",
            const=medium,
            default=default,
            help=f"{medium.files_noun} instead of {default.files_noun}",
        )
    parser.add_argument(
        "--out", type=Path, help="the run's folder (default: runs/ and both names, numbered when it exists)"
    )
    parser.add_argument("--minutes", type=float, default=5.5, help="minutes of training (default: 5.5)")
    args = parser.parse_all(argv)
    try:
        print_result(str(args.medium.run_demo(args.minutes, args.out, log_to_terminal) / "report.html"))
    except TrainingInterrupt as interrupt:
        return report_interrupt(interrupt)
    return 0
