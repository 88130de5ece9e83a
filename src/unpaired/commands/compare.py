"""`unpaired compare`."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from unpaired.commands.interrupted import interrupted
from unpaired.commands.parser import Parser, add_judges, add_texts, out


def compare(words: list[str]) -> int:
    """Train several methods alike on the same data, and rank them on one page."""
    from unpaired.comparison import compare
    from unpaired.comparison.page import text
    from unpaired.comparison.plan import ALL, parse_each
    from unpaired.methods import METHODS
    from unpaired.presets import PRESETS
    from unpaired.terminal import to_terminal
    from unpaired.training import flags
    from unpaired.training.session import Interrupted

    parser = Parser(
        prog="unpaired compare", description=compare_help(), formatter_class=argparse.RawDescriptionHelpFormatter
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
        "--audit", action="store_true", help="measure hidden information too: minutes more for each method on a CPU"
    )
    add_judges(parser)
    add_texts(parser)
    parser.add_argument(
        "--preset", metavar="NAME", help=f"one of {', '.join(PRESETS)} (default: small on a CPU, else paper)"
    )
    flags.add_sections(parser)
    asked = parser.parse(words, flags.of_one)
    again = f"unpaired compare {shlex.join(words)}"
    try:
        found = compare(
            *asked.data,
            methods=asked.methods,
            out=asked.out,
            config=asked.config,
            pairs=asked.pairs,
            each=parse_each(asked.set),
            audit=asked.audit,
            judges=asked.judges,
            texts=asked.texts,
            say=to_terminal,
            **flags.given(asked),
        )
    except Interrupted as stop:
        return interrupted(Interrupted(stop.signal, stop.done, again))
    except KeyboardInterrupt:
        sys.stderr.write(f"interrupted; what is done is kept; go on with: {again}\n")
        return 130
    out(text(found))
    return 1 if any(result.state in ("failed", "diverged") for result in found.results) else 0


def compare_help() -> str:
    """What `unpaired compare --help` says first."""
    return (
        "Train several methods with the same data, split and budget, measure them on the same held-out items, and\n"
        "write one page.\n\n"
        "  unpaired compare photos/ paintings/ --minutes 10                  every method that fits, 10 minutes each\n"
        "  unpaired compare DATA/ --methods A,B --steps 5000 --set A.rate=0.0001\n\n"
        "The same command again goes on: finished methods are kept, an interrupted one is resumed."
    )
