"""`unpaired check`."""

from __future__ import annotations

from pathlib import Path

from unpaired.cli.arguments import Parser, print_result


def check(argv: list[str]) -> int:
    """Say what is in the data, what is wrong with it, and what training would do."""
    from unpaired.console import progress_bar
    from unpaired.training.data_report import check_data

    parser = Parser(
        prog="unpaired check", description="Decode every file and report. Exit code 1 if training could not run."
    )
    parser.add_argument("data", nargs="+", type=Path, metavar="DATA", help="a folder per domain, or one folder of them")
    parser.add_argument("--size", type=int, default=None, help="the size that you would train at")
    parser.add_argument(
        "--attributes", metavar="A,B|C", help="columns of the table beside a folder that you would learn"
    )
    args = parser.parse_all(argv)
    attributes = args.attributes.split(",") if args.attributes else ()
    with progress_bar("looking") as advance:
        result = check_data(args.data, args.size, advance, attributes)
    print_result(result.text)
    return 0 if result.is_usable else 1
