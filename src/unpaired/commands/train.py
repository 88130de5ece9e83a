"""`unpaired train`."""

from __future__ import annotations

import argparse
from pathlib import Path

from unpaired.commands.interrupted import interrupted
from unpaired.commands.parser import Parser, out
from unpaired.errors import UsageError


def train(words: list[str]) -> int:
    """Train a translator on two folders (or one with a folder per domain)."""
    from unpaired.stages.depth import auto_depth, is_search, resume_depth
    from unpaired.terminal import to_terminal
    from unpaired.training import flags
    from unpaired.training.session import Interrupted
    from unpaired.training.train import dry_run, resume, train

    parser = Parser(
        prog="unpaired train", description=train_help(), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="*", type=Path, metavar="DATA", help="a folder per domain, or one folder of them")
    parser.add_argument("--out", type=Path, help="the run's folder (default: runs/DOMAINS, numbered when it exists)")
    parser.add_argument("--config", type=Path, help="a YAML file of settings (a run's config.yaml will do)")
    parser.add_argument(
        "--pairs", action="store_true", help="equal names in the test folders are true pairs: measure with them"
    )
    parser.add_argument(
        "--teacher",
        type=Path,
        metavar="RUN",
        help="a trained run, or its model.safetensors, to learn from (methods that do)",
    )
    parser.add_argument(
        "--auto-depth",
        action="store_true",
        help="find the least depth that is enough; it then teaches a deep generator",
    )
    parser.add_argument(
        "--threshold", type=float, metavar="KID", help="of --auto-depth: the KID x 1000 under which a depth is enough"
    )
    parser.add_argument(
        "--resume", type=Path, metavar="RUN", help="continue a run; --steps or --minutes extend its budget"
    )
    parser.add_argument(
        "--changed-data", action="store_true", help="resume although the files of the domains have changed"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print settings, networks and the cost of a step; do nothing"
    )
    flags.add(parser, words)
    asked = parser.parse(words, lambda flag: flags.of_others(flag, parser, words))
    settings = flags.given(asked)
    common = {"config": asked.config, "pairs": asked.pairs, "say": to_terminal, **settings}
    try:
        if asked.resume is not None:
            flags.only_for_resume(asked, settings)
            if is_search(asked.resume):
                if settings or asked.changed_data:
                    raise UsageError(f"{asked.resume}: goes on as it was planned; give --resume alone")
                resume_depth(asked.resume, say=to_terminal)
                return 0
            resume(asked.resume, changed_data=asked.changed_data, say=to_terminal, **settings)
        elif not asked.data:
            raise UsageError(
                "no data given; expected two folders, or one with a folder per domain: unpaired train A/ B/"
            )
        elif asked.auto_depth:
            if asked.dry_run or asked.teacher is not None:
                raise UsageError("--auto-depth trains several runs, and a teacher: leave out --dry-run and --teacher")
            auto_depth(*asked.data, out=asked.out, threshold=asked.threshold, **common)
        else:
            if asked.threshold is not None:
                raise UsageError("--threshold: only valid with --auto-depth")
            if asked.changed_data:
                raise UsageError("--changed-data: only valid with --resume RUN")
            if asked.dry_run:
                told(dry_run(*asked.data, teacher=asked.teacher, **common))
            else:
                train(*asked.data, out=asked.out, teacher=asked.teacher, **common)
    except Interrupted as stop:
        return interrupted(stop)
    return 0


def told(text: str) -> None:
    """Print what there is to say; ranks other than the first have nothing."""
    if text:
        out(text)


def train_help() -> str:
    """What `unpaired train --help` says first."""
    return (
        "Learn to translate between domains from files that are not paired.\n\n"
        "  unpaired train photos/ paintings/          a folder per domain, named by the folders\n"
        "  unpaired train DATA/                       a folder per domain in DATA, or trainA, trainB, testA, testB\n"
        "  unpaired train --resume runs/photos-paintings --steps 20000\n\n"
        "`train/` and `test/` within a domain are understood; without test folders a part is held back."
    )
