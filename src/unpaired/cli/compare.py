"""`unpaired compare`."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from unpaired.cli.arguments import Parser, print_result
from unpaired.cli.interruption import report_interrupt


def compare(argv: list[str]) -> int:
    """Train several methods with the same data and budget, and rank them in one report."""
    from unpaired.cli import option_flags, setting_flags
    from unpaired.comparison.overrides import parse_method_overrides
    from unpaired.comparison.page import format_comparison
    from unpaired.comparison.plan import ALL
    from unpaired.comparison.runner import compare
    from unpaired.console import log_to_terminal
    from unpaired.media import MEDIA
    from unpaired.methods import METHODS
    from unpaired.text_columns import find_terminal_width
    from unpaired.training.trainer import TrainingInterrupt

    parser = Parser(
        prog="unpaired compare", description=format_compare_help(), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.set_defaults(method=None)
    parser.add_argument(
        "data", nargs="+", type=Path, metavar="DATA", help="one folder per domain, or one folder that contains them"
    )
    parser.add_argument(
        "--methods",
        default=ALL,
        metavar="NAME,NAME",
        help=f"methods to train: {ALL} that fit the data (default), or names out of {', '.join(METHODS)}",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder of the comparison (default: runs/compare-DOMAINS)"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="METHOD.NAME=VALUE",
        help="setting of a single method; may be repeated",
    )
    parser.add_argument(
        "--seeds",
        metavar="N,N",
        help="train each method with each of these seeds, on the same splits, and rank by mean and spread; --minutes "
        "is per training",
    )
    parser.add_argument("--config", type=Path, metavar="YAML", help="file of settings for all methods")
    parser.add_argument(
        "--pairs", action="store_true", help="use files of equal names in the test folders as pairs to measure against"
    )
    parser.add_argument(
        "--audit",
        action="store_true",
        help="also measure hidden information (`unpaired audit`); takes minutes per method on a CPU",
    )
    option_models = [medium.evaluate_options_model for medium in MEDIA.values()]
    option_flags.add_option_flags(parser, option_models)
    parser.add_argument(
        "--preset",
        metavar="NAME",
        help=f"sizes and budget: one of {', '.join(setting_flags.PRESETS)} (default: small on a CPU, else paper)",
    )
    setting_flags.add_section_flags(parser, argv)
    args = parser.parse_all(argv, setting_flags.explain_compare_flag)
    option_fields = {name: info for model in option_models for name, info in model.model_fields.items()}
    resume_command = f"unpaired compare {shlex.join(argv)}"
    try:
        comparison = compare(
            *args.data,
            methods=args.methods,
            out=args.out,
            config=args.config,
            pairs=args.pairs,
            overrides=parse_method_overrides(args.set),
            audit=args.audit,
            seeds=args.seeds,
            log=log_to_terminal,
            **setting_flags.parse_settings(args),
            **option_flags.parse_options(args, option_fields),
        )
    except TrainingInterrupt as interrupt:
        return report_interrupt(TrainingInterrupt(interrupt.signal, interrupt.summary, resume_command))
    except KeyboardInterrupt:
        log_to_terminal(f"to continue, run: {resume_command}\nInterrupted; finished trainings are kept.")
        return 130
    print_result(format_comparison(comparison, find_terminal_width(sys.stdout)))
    return 1 if any(result.failed_seeds for result in comparison.results) else 0


def format_compare_help() -> str:
    """Return the description of `unpaired compare --help`."""
    return (
        "Train several methods with the same data, split and budget, evaluate them on the same test items, and rank\n"
        "them in one report.\n\n"
        "  unpaired compare photos/ paintings/ --minutes 10                  all methods that fit, 10 minutes each\n"
        "  unpaired compare DATA/ --methods gan,cut --steps 5000 --set cut.lr=0.0001\n"
        "  unpaired compare DATA/ --methods gan,cut --minutes 10 --seeds 0,1,2      3 trainings of each method\n\n"
        "Run the same command again to continue: finished trainings are kept, an interrupted one is resumed. Methods\n"
        "and seeds can be added."
    )
