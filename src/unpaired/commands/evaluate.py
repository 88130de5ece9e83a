"""`unpaired evaluate`."""

from __future__ import annotations

import argparse
from pathlib import Path

from unpaired.commands.parser import Parser, add_judges, add_texts, first_line, out


def evaluate(words: list[str]) -> int:
    """Measure a run: likeness to the target, content kept, and truth where there are pairs."""
    from unpaired.evaluation.run import evaluate as measure
    from unpaired.report import write_report
    from unpaired.terminal import progress_bar

    parser = Parser(prog="unpaired evaluate", description=first_line(evaluate))
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
    asked = parser.parse(words)
    with progress_bar("measuring") as advance:
        found = measure(
            asked.run,
            asked.data,
            pairs=asked.pairs,
            fid=asked.fid,
            checkpoint=asked.checkpoint,
            limit=asked.limit,
            judges=asked.judges,
            texts=asked.texts,
            device=asked.device,
            progress=advance,
        )
    out(found.text())
    write_report(asked.run)
    return 0
