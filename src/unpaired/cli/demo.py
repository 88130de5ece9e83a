"""`unpaired demo`."""

from __future__ import annotations

from pathlib import Path

from unpaired.cli.arguments import Parser, get_summary, print_result
from unpaired.cli.interruption import report_interrupt


def demo(argv: list[str]) -> int:
    """See it work in minutes: train on sample data and write a report that you open in a browser."""
    from unpaired.console import log_to_terminal
    from unpaired.media import MEDIA
    from unpaired.training.trainer import TrainingInterrupt

    parser = Parser(
        prog="unpaired demo",
        description=f"{get_summary(demo)} The pictures come with the package; "
        "--voice needs an installed speech synthesizer (flite or espeak-ng).",
    )
    default, *others = [medium for medium in MEDIA.values() if medium.has_demo]
    for medium in others:
        parser.add_argument(
            f"--{medium.name}",
            dest="medium",
            action="store_const",
            const=medium,
            default=default,
            help=f"train on {medium.files_noun} instead of {default.files_noun}",
        )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder of the run (default: runs/DOMAINS, numbered if it exists)"
    )
    parser.add_argument(
        "--minutes", type=float, default=5.5, metavar="N", help="training time in minutes (default: 5.5)"
    )
    args = parser.parse_all(argv)
    try:
        print_result(str(args.medium.run_demo(args.minutes, args.out, log_to_terminal) / "report.html"))
    except TrainingInterrupt as interrupt:
        return report_interrupt(interrupt)
    return 0
