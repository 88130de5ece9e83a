"""`unpaired evaluate`."""

from __future__ import annotations

import argparse
from pathlib import Path

from unpaired.cli.arguments import Parser, add_judges, add_texts, get_summary, print_result


def evaluate(argv: list[str]) -> int:
    """Measure a run: likeness to the target, content kept, and truth where there are pairs."""
    from unpaired.console import progress_bar
    from unpaired.evaluation.run import evaluate as run_evaluation
    from unpaired.report.page import write_report

    parser = Parser(prog="unpaired evaluate", description=get_summary(evaluate))
    parser.add_argument("run", type=Path, metavar="RUN", help="a run's folder, as `unpaired train` made it")
    parser.add_argument("data", nargs="*", type=Path, metavar="DATA", help="other data than the run's own test items")
    parser.add_argument(
        "--pairs", action=argparse.BooleanOptionalAction, help="equal names are true pairs: measure with them"
    )
    parser.add_argument(
        "--fid", action="store_true", help="measure the FID too (needs thousands of items to mean much)"
    )
    parser.add_argument("--checkpoint", metavar="last|best", help="default: the best where there is one")
    parser.add_argument(
        "--limit",
        type=int,
        metavar="N",
        help="items of each domain at most (default: 500, fewer where routes are many; of recordings some 20)",
    )
    add_judges(parser)
    add_texts(parser)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    args = parser.parse_all(argv)
    with progress_bar("measuring") as advance:
        evaluation = run_evaluation(
            args.run,
            args.data,
            pairs=args.pairs,
            fid=args.fid,
            checkpoint=args.checkpoint,
            limit=args.limit,
            judges=args.judges,
            texts=args.texts,
            device=args.device,
            progress=advance,
        )
    print_result(evaluation.text())
    write_report(args.run)
    return 0
