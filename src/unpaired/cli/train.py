"""`unpaired train`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from unpaired.cli.arguments import Parser, print_result
from unpaired.cli.interruption import report_interrupt
from unpaired.errors import UsageError


def train(argv: list[str]) -> int:
    """Train a translator on two folders (or one with a folder per domain)."""
    from unpaired.cli import setting_flags
    from unpaired.console import log_to_terminal
    from unpaired.stages.depth_search import search_depth
    from unpaired.training.train import dry_run, train
    from unpaired.training.trainer import TrainingInterrupt

    parser = Parser(
        prog="unpaired train", description=format_train_help(), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "data", nargs="*", type=Path, metavar="DATA", help="one folder per domain, or one folder that contains them"
    )
    parser.add_argument("--out", type=Path, help="folder of the run (default: runs/DOMAINS, numbered if it exists)")
    parser.add_argument("--config", type=Path, help="YAML file of settings, such as a run's config.yaml")
    parser.add_argument(
        "--pairs",
        action="store_true",
        help="files of equal names in the test folders are true pairs: use them to measure",
    )
    parser.add_argument(
        "--teacher",
        type=Path,
        metavar="RUN",
        help="trained run, or its model.safetensors, to distill from (methods: gan)",
    )
    parser.add_argument(
        "--init", type=Path, metavar="RUN", help="start from another run's weights, matched by role and shape"
    )
    parser.add_argument(
        "--auto-depth",
        action="store_true",
        help="find the smallest sufficient generator depth, which then teaches a deep generator (distillation)",
    )
    parser.add_argument(
        "--threshold", type=float, metavar="KID", help="with --auto-depth: a depth suffices below this KID x 1000"
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
        help="with --resume: where the run's data are now, if they moved",
    )
    parser.add_argument(
        "--changed-data", action="store_true", help="with --resume: go on although files of the domains have changed"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print settings, networks and the time of a step; train nothing"
    )
    setting_flags.add_train_flags(parser, argv)
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


def resume_run(args: argparse.Namespace, settings: dict[str, Any]) -> None:
    """Continue a run or a search of depths, as the flags say."""
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
        raise UsageError(f"{args.resume}: goes on as it was planned; give --resume alone")
    resume_depth_search(args.resume, log=log_to_terminal)


def require_valid_flags(args: argparse.Namespace) -> None:
    """Raise UsageError where a new run has no data, or flags that do not go together."""
    if args.moved_data:
        raise UsageError("--data: only valid with --resume RUN; for a new run, give the folders alone")
    if not args.data:
        raise UsageError("no data given; expected two folders, or one with a folder per domain: unpaired train A/ B/")
    if args.auto_depth and (args.dry_run or args.teacher is not None or args.init is not None):
        raise UsageError("--auto-depth trains several runs and a teacher: leave out --dry-run, --teacher and --init")
    if args.init is not None and args.dry_run:
        raise UsageError("--init: a dry run trains nothing; leave out --init or --dry-run")
    if args.threshold is not None and not args.auto_depth:
        raise UsageError("--threshold: only valid with --auto-depth")
    if args.changed_data:
        raise UsageError("--changed-data: only valid with --resume RUN")


def print_plan(text: str) -> None:
    """Print what there is to say; ranks other than the first have nothing."""
    if text:
        print_result(text)


def format_train_help() -> str:
    """What `unpaired train --help` says first."""
    return (
        "Train a translator between domains on unpaired files.\n\n"
        "  unpaired train photos/ paintings/          a folder per domain, named by the folders\n"
        "  unpaired train DATA/                       a folder per domain in DATA, or trainA, trainB, testA, testB\n"
        "  unpaired train --resume runs/photos-paintings --steps 20000\n\n"
        "A domain may have `train/` and `test/` folders; without test folders, a part of its files is held out.\n"
        "--help shows the flags that people use, --help-all all of them."
    )
