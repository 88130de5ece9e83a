"""`unpaired evaluate`."""

from __future__ import annotations

import argparse
from pathlib import Path

from unpaired.cli.arguments import Parser, get_summary, print_result


def evaluate(argv: list[str]) -> int:
    """Measure a run on held-out items: likeness to the target, content kept, and the truth where there are pairs."""
    from unpaired.cli import setting_flags
    from unpaired.console import progress_bar
    from unpaired.evaluation.run import evaluate as run_evaluation
    from unpaired.media import MEDIA
    from unpaired.report.page import write_report

    parser = Parser(prog="unpaired evaluate", description=get_summary(evaluate))
    parser.add_argument("run", type=Path, metavar="RUN", help="a run's folder, as `unpaired train` made it")
    parser.add_argument("data", nargs="*", type=Path, metavar="DATA", help="other data than the run's own test items")
    parser.add_argument(
        "--pairs", action=argparse.BooleanOptionalAction, help="files of equal names are true pairs: measure with them"
    )
    parser.add_argument("--checkpoint", metavar="last|best", help="default: the best where there is one")
    parser.add_argument(
        "--limit",
        type=int,
        metavar="N",
        help="items of each domain at most (default: 500 pictures, or 60 recordings, 20 with --judges; fewer where "
        "routes are many)",
    )
    models = [medium.evaluate_options_model for medium in MEDIA.values()]
    setting_flags.add_option_flags(parser, models)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
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
            **setting_flags.parse_options(args, fields),
        )
    print_result(evaluation.text())
    write_report(args.run)
    return 0
