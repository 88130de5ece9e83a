"""`unpaired evaluate`."""

from __future__ import annotations

import argparse
import sys

from unpaired.cli.arguments import (
    Parser,
    add_checkpoint_flag,
    add_device_flag,
    add_paths_argument,
    add_run_argument,
    get_summary,
    print_result,
)


def evaluate(argv: list[str]) -> int:
    """Measure a run on its test items: similarity to the target domain, content preservation, and error on pairs."""
    from unpaired.cli import option_flags
    from unpaired.console import log_to_terminal, progress_bar
    from unpaired.evaluation.run import evaluate as run_evaluation
    from unpaired.media import MEDIA
    from unpaired.report.page import write_report
    from unpaired.text_columns import find_terminal_width

    parser = Parser(prog="unpaired evaluate", description=get_summary(evaluate))
    add_run_argument(parser)
    add_paths_argument(parser, "data", "DATA", "folders to evaluate on instead of the run's test items")
    parser.add_argument(
        "--pairs", action=argparse.BooleanOptionalAction, help="use files of equal names as pairs to measure against"
    )
    add_checkpoint_flag(parser)
    parser.add_argument(
        "--limit",
        type=int,
        metavar="N",
        help="maximum items per domain (default: 500 pictures; 20 recordings, 60 with --judges none; fewer for "
        "runs with many routes)",
    )
    parser.add_argument(
        "--definitions",
        action="store_true",
        help="also print the definitions of the metrics; the report contains them",
    )
    models = [medium.evaluate_options_model for medium in MEDIA.values()]
    option_flags.add_option_flags(parser, models)
    add_device_flag(parser)
    args = parser.parse_all(argv)
    fields = {name: info for model in models for name, info in model.model_fields.items()}
    with progress_bar("measuring") as advance:
        evaluation = run_evaluation(
            args.run,
            args.data,
            pairs=args.pairs,
            checkpoint=args.checkpoint,
            limit=args.limit,
            device=args.device,
            progress=advance,
            **option_flags.parse_options(args, fields),
        )
    print_result(evaluation.text(args.definitions, find_terminal_width(sys.stdout)))
    log_to_terminal(f"report: {write_report(evaluation.run)}")
    return 0
