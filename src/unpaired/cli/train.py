"""`unpaired train`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from unpaired.cli.arguments import Parser, add_paths_argument, print_result
from unpaired.cli.interruption import report_interrupt
from unpaired.errors import UsageError


def train(argv: list[str]) -> int:
    """Train a translator on two folders, or on one folder that contains a folder per domain."""
    from unpaired.cli import setting_flags
    from unpaired.console import log_to_terminal
    from unpaired.stages.depth_search import search_depth
    from unpaired.training.train import dry_run, train
    from unpaired.training.trainer import TrainingInterrupt

    parser = Parser(
        prog="unpaired train", description=format_train_help(), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_paths_argument(parser, "data", "DATA", "one folder per domain, or one folder that contains them")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder of the run (default: runs/DOMAINS, numbered if it exists)"
    )
    parser.add_argument("--config", type=Path, metavar="YAML", help="file of settings, such as a run's config.yaml")
    parser.add_argument(
        "--pairs",
        action="store_true",
        help="use files of equal names in the test folders as pairs to measure against",
    )
    parser.add_argument(
        "--resume", type=Path, metavar="RUN", help="continue a run; --steps or --minutes extend its budget"
    )
    parser.add_argument(
        "--data",
        dest="moved_data",
        nargs="+",
        type=Path,
        default=[],
        metavar="DATA",
        help="with --resume: new location of the run's data, if you moved them",
    )
    parser.add_argument(
        "--changed-data", action="store_true", help="with --resume: continue although files of the domains have changed"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print settings, networks and the time per step without training"
    )
    setting_flags.add_train_flags(parser, argv)
    add_stage_flags(parser)
    args = parser.parse_all(argv, lambda flag: setting_flags.explain_other_methods_flag(flag, parser, argv))
    settings = setting_flags.parse_settings(args)
    if args.resume is None:
        require_valid_flags(args)
    shared_options = {"config": args.config, "pairs": args.pairs, "log": log_to_terminal, **settings}
    try:
        if args.resume is not None:
            resume_run(args, settings)
        elif args.auto_depth:
            search_depth(*args.data, out=args.out, threshold=args.threshold, **shared_options)
        elif args.dry_run:
            print_plan(dry_run(*args.data, teacher=args.teacher, **shared_options))
        else:
            train(*args.data, out=args.out, teacher=args.teacher, init=args.init, **shared_options)
    except TrainingInterrupt as interrupt:
        return report_interrupt(interrupt)
    return 0


def add_stage_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags for training that builds on other runs."""
    group = parser.add_argument_group("other runs")
    group.add_argument(
        "--teacher",
        type=Path,
        metavar="RUN",
        help="run, or its model.safetensors, to distill from (method gan only)",
    )
    group.add_argument(
        "--init", type=Path, metavar="RUN", help="initialize weights from another run, where role and shape match"
    )
    group.add_argument(
        "--auto-depth",
        action="store_true",
        help="find the smallest sufficient generator depth, then distill it into a deep generator",
    )
    group.add_argument(
        "--threshold", type=float, metavar="KID", help="with --auto-depth: highest KID x 1000 of a sufficient depth"
    )


def resume_run(args: argparse.Namespace, settings: dict[str, Any]) -> None:
    """Resume a run or a depth search."""
    from unpaired.cli import setting_flags
    from unpaired.console import log_to_terminal
    from unpaired.stages.depth_search import is_depth_search, resume_depth_search
    from unpaired.training.train import resume

    setting_flags.refuse_settings_of_run(args, settings)
    data = [*args.data, *args.moved_data]
    if not is_depth_search(args.resume):
        resume(args.resume, args.changed_data, log_to_terminal, data=data, **settings)
        return
    if settings or args.changed_data or data:
        raise UsageError(f"{args.resume}: is a depth search, which keeps all its settings; give --resume alone")
    resume_depth_search(args.resume, log=log_to_terminal)


def require_valid_flags(args: argparse.Namespace) -> None:
    """Raise UsageError if a new run has no data, or for flags that exclude each other."""
    if args.moved_data:
        raise UsageError("--data: only valid with --resume RUN; for a new run, give the folders without --data")
    if not args.data:
        raise UsageError("no data given; expected two folders, or one with a folder per domain: unpaired train A/ B/")
    if args.auto_depth and (args.dry_run or args.teacher is not None or args.init is not None):
        raise UsageError(
            "leave out --dry-run, --teacher and --init: --auto-depth trains several runs, including its own teacher"
        )
    if args.init is not None and args.dry_run:
        raise UsageError("leave out --init or --dry-run: a dry run trains nothing")
    if args.threshold is not None and not args.auto_depth:
        raise UsageError("--threshold: only valid with --auto-depth")
    if args.changed_data:
        raise UsageError("--changed-data: only valid with --resume RUN")


def print_plan(text: str) -> None:
    """Print the plan, which is empty on ranks other than 0."""
    if text:
        print_result(text)


def format_train_help() -> str:
    """Return the description of `unpaired train --help`."""
    return (
        "Train a translator between domains on unpaired files. Give one folder per domain:\n\n"
        "  unpaired train photos/ paintings/          domains are named after the folders\n"
        "  unpaired train DATA/                       DATA contains the domains, or trainA, trainB, testA, testB\n"
        "  unpaired train --resume runs/photos-paintings --steps 20000      continue a run to step 20,000\n\n"
        "A domain folder may contain train/ and test/; without them, some of its files are held out for testing.\n"
        "The run contains a report (report.html) and the trained model. --help-all shows every flag."
    )
