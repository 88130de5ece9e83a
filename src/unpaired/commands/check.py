"""`unpaired check`."""

from __future__ import annotations

from pathlib import Path

from unpaired.commands.parser import Parser, out


def check(words: list[str]) -> int:
    """Say what is in the data, what is wrong with it, and what training would do."""
    from unpaired.terminal import progress_bar
    from unpaired.training.checked import check_data

    parser = Parser(
        prog="unpaired check", description="Decode every file and report. Exit code 1 if training could not run."
    )
    parser.add_argument("data", nargs="+", type=Path, metavar="DATA", help="a folder per domain, or one folder of them")
    parser.add_argument("--size", type=int, default=None, help="the size that you would train at")
    parser.add_argument(
        "--attributes", metavar="A,B|C", help="columns of the table beside a folder that you would learn"
    )
    asked = parser.parse(words)
    attributes = asked.attributes.split(",") if asked.attributes else ()
    with progress_bar("looking") as advance:
        text, usable = check_data(asked.data, asked.size, advance, attributes)
    out(text)
    return 0 if usable else 1
