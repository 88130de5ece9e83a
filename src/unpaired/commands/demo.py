"""`unpaired demo`."""

from __future__ import annotations

from pathlib import Path

from unpaired.commands.interrupted import interrupted
from unpaired.commands.parser import Parser, first_line, out


def demo(words: list[str]) -> int:
    """Train on samples (pictures that come with the package, or voices), and show what came of it."""
    from unpaired.demo import demo as pictures
    from unpaired.demo import demo_voice
    from unpaired.terminal import to_terminal
    from unpaired.training.session import Interrupted

    parser = Parser(prog="unpaired demo", description=first_line(demo))
    parser.add_argument(
        "--voice", action="store_true", help="two speakers in place of pictures, spoken by flite or espeak-ng"
    )
    parser.add_argument(
        "--out", type=Path, help="the run's folder (default: runs/ and both names, numbered when it exists)"
    )
    parser.add_argument("--minutes", type=float, default=5.5, help="minutes of training (default: 5.5)")
    asked = parser.parse(words)
    try:
        show = demo_voice if asked.voice else pictures
        out(str(show(asked.out, asked.minutes, to_terminal) / "report.html"))
    except Interrupted as stop:
        return interrupted(stop)
    return 0
