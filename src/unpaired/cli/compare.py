"""`unpaired compare`."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from unpaired.cli.arguments import Parser, print_result
from unpaired.cli.interruption import report_interrupt


def compare(argv: list[str]) -> int:
    """Train several methods alike on the same data, and rank them on one page."""
    from unpaired.cli import setting_flags
    from unpaired.comparison import compare
    from unpaired.comparison.page import format_comparison
    from unpaired.comparison.plan import ALL, parse_method_overrides
    from unpaired.console import log_to_terminal
    from unpaired.media import MEDIA
    from unpaired.methods import METHODS
    from unpaired.training.trainer import TrainingInterrupt

    parser = Parser(
        prog="unpaired compare", description=format_compare_help(), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.set_defaults(method=None)
    parser.add_argument("data", nargs="+", type=Path, metavar="DATA", help="a folder per domain, or one folder of them")
    parser.add_argument(
        "--methods",
        default=ALL,
        metavar="NAME,NAME",
        help=f"{ALL} that fit the data (default), or of {', '.join(METHODS)}",
    )
    parser.add_argument("--out", type=Path, help="the comparison's folder (default: runs/compare-DOMAINS)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="METHOD.NAME=VALUE", help="a setting of one method alone"
    )
    parser.add_argument("--config", type=Path, help="a YAML file of settings for all")
    parser.add_argument(
        "--pairs", action="store_true", help="equal names in the test folders are true pairs: measure with them"
    )
    parser.add_argument(
        "--audit",
        action="store_true",
        help="measure hidden information too; takes some minutes for each method on a CPU",
    )
    option_models = [medium.evaluate_options_model for medium in MEDIA.values()]
    setting_flags.add_option_flags(parser, option_models)
    parser.add_argument(
        "--preset",
        metavar="NAME",
        help=f"one of {', '.join(setting_flags.PRESETS)} (default: small on a CPU, else paper)",
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
            log=log_to_terminal,
            **setting_flags.parse_settings(args),
            **setting_flags.parse_options(args, option_fields),
        )
    except TrainingInterrupt as interrupt:
        return report_interrupt(TrainingInterrupt(interrupt.signal, interrupt.summary, resume_command))
    except KeyboardInterrupt:
        log_to_terminal(f"interrupted; finished methods are kept; continue with: {resume_command}")
        return 130
    print_result(format_comparison(comparison))
    return 1 if any(result.state in ("failed", "diverged") for result in comparison.results) else 0


def format_compare_help() -> str:
    """Return the first lines of `unpaired compare --help`."""
    return (
        "Train several methods with the same data, split and budget, measure them on the same held-out items, and\n"
        "write one page.\n\n"
        "  unpaired compare photos/ paintings/ --minutes 10                  every method that fits, 10 minutes each\n"
        "  unpaired compare DATA/ --methods A,B --steps 5000 --set A.lr=0.0001\n\n"
        "Run the same command again to continue: finished methods are kept, an interrupted one is resumed."
    )
