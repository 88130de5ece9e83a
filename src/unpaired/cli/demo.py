"""`unpaired demo`."""

from __future__ import annotations

from pathlib import Path

from unpaired.cli.arguments import Parser, get_summary, print_result
from unpaired.cli.interruption import report_interrupt


def demo(argv: list[str]) -> int:
    """Train on samples (pictures that come with the package, or voices), and show what came of it."""
    from unpaired.console import log_to_terminal
    from unpaired.demo import demo as demo_images
    from unpaired.demo import demo_voice
    from unpaired.training.trainer import TrainingInterrupt

    parser = Parser(prog="unpaired demo", description=get_summary(demo))
    parser.add_argument(
        "--voice", action="store_true", help="two speakers in place of pictures, spoken by flite or espeak-ng"
    )
    parser.add_argument(
        "--out", type=Path, help="the run's folder (default: runs/ and both names, numbered when it exists)"
    )
    parser.add_argument("--minutes", type=float, default=5.5, help="minutes of training (default: 5.5)")
    args = parser.parse_all(argv)
    try:
        run_demo = demo_voice if args.voice else demo_images
        print_result(str(run_demo(args.out, args.minutes, log_to_terminal) / "report.html"))
    except TrainingInterrupt as interrupt:
        return report_interrupt(interrupt)
    return 0
