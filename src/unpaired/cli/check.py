"""`unpaired check`."""

from __future__ import annotations

from pathlib import Path

from unpaired.cli.arguments import Parser, print_result


def check(argv: list[str]) -> int:
    """Check your data before you train: list contents and problems, and show what training would do."""
    from unpaired.console import progress_bar
    from unpaired.training.data_report import check_data

    parser = Parser(
        prog="unpaired check",
        description="Check your data before you train. Every file is decoded; the report lists contents and problems, "
        "and shows what training would do. Exit code 1 if the data cannot be trained on.",
    )
    parser.add_argument(
        "data", nargs="+", type=Path, metavar="DATA", help="one folder per domain, or one folder that contains them"
    )
    parser.add_argument(
        "--size",
        type=int,
        default=None,
        metavar="PX",
        help="side of the training images in pixels that you plan to use (default: as `unpaired train` would choose)",
    )
    parser.add_argument(
        "--attributes",
        metavar="A,B|C",
        help="attributes that you plan to train on: columns of the label table beside the folder",
    )
    args = parser.parse_all(argv)
    attributes = args.attributes.split(",") if args.attributes else ()
    with progress_bar("checking") as advance:
        result = check_data(args.data, args.size, advance, attributes)
    print_result(result.text)
    return 0 if result.is_usable else 1
