"""The command line. Each command imports what it needs when it runs, so that help and mistakes answer at once."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from unpaired import __version__
from unpaired.errors import UnpairedError, UsageError, nearest

if TYPE_CHECKING:
    from unpaired.training.session import Interrupted


class Parser(argparse.ArgumentParser):
    """An argument parser whose mistakes are UsageErrors, and whose unknown flags name the nearest known one."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_abbrev=False, **kwargs)

    def error(self, message: str) -> NoReturn:
        """Raise instead of exiting, so that every mistake is printed in one way."""
        raise UsageError(f"{message}; see `{self.prog} --help`")

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse all of `words`."""
        asked, unknown = self.parse_known_intermixed_args(words)
        if unknown:
            flag = unknown[0].partition("=")[0]
            self.error(f"{flag}: {nearest(flag, self._option_string_actions)}")
        return asked


def main(words: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: 0, 2 for wrong usage, 1 for work that failed, 130 when interrupted."""
    words = list(sys.argv[1:] if words is None else words)
    try:
        return run(words)
    except UnpairedError as error:
        sys.stderr.write(f"unpaired: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("unpaired: interrupted\n")
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0


def run(words: list[str]) -> int:
    """Find the command and run it."""
    summary = "".join(
        f"\n  {name:<11}{command.__doc__.splitlines()[0]}" for name, command in COMMANDS.items() if command.__doc__
    )
    parser = Parser(
        prog="unpaired",
        description="Learn to turn one domain into another from collections without pairs.",
        epilog=f"commands:{summary}\n\n`unpaired COMMAND --help` explains each.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"unpaired {__version__}")
    parser.add_argument("command", metavar="COMMAND", nargs="?")
    own = words[: next((i + 1 for i, word in enumerate(words) if not word.startswith("-")), len(words))]
    command = parser.parse(own).command
    if command is None:
        parser.print_help()
        return 0
    if command not in COMMANDS:
        raise UsageError(f"command '{command}': {nearest(command, COMMANDS)}")
    return COMMANDS[command](words[len(own) :])


def out(text: str) -> None:
    """Print a result on standard output."""
    sys.stdout.write(text if text.endswith("\n") else text + "\n")
    sys.stdout.flush()


def train(words: list[str]) -> int:
    """Train a translator on two folders (or one with a folder per domain)."""
    from unpaired.terminal import to_terminal
    from unpaired.training import flags
    from unpaired.training.session import Interrupted
    from unpaired.training.train import resume, train

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
        "--resume", type=Path, metavar="RUN", help="continue a run; --steps or --minutes extend its budget"
    )
    parser.add_argument(
        "--changed-data", action="store_true", help="resume although the files of the domains have changed"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print settings, networks and the cost of a step; do nothing"
    )
    flags.add(parser, words)
    asked = parser.parse(words)
    settings = flags.given(asked)
    try:
        if asked.resume is not None:
            flags.only_for_resume(asked, settings)
            resume(asked.resume, changed_data=asked.changed_data, say=to_terminal, **settings)
        elif not asked.data:
            raise UsageError(
                "no data given; expected two folders, or one with a folder per domain: unpaired train A/ B/"
            )
        else:
            train(
                *asked.data,
                out=asked.out,
                config=asked.config,
                pairs=asked.pairs,
                dry_run=out if asked.dry_run else None,
                say=to_terminal,
                **settings,
            )
    except Interrupted as stop:
        return interrupted(stop)
    return 0


def interrupted(stop: Interrupted) -> int:
    """Say how to go on; returns the exit code. Other ranks' is 0, for a launcher kills the first when one fails."""
    if not str(stop):
        return 0
    sys.stderr.write(f"{stop}\n")
    return 128 + stop.signal


def train_help() -> str:
    """What `unpaired train --help` says first."""
    return (
        "Learn to translate between domains from files that are not paired.\n\n"
        "  unpaired train photos/ paintings/          a folder per domain, named by the folders\n"
        "  unpaired train DATA/                       a folder per domain in DATA, or trainA, trainB, testA, testB\n"
        "  unpaired train --resume runs/photos-paintings --steps 20000\n\n"
        "`train/` and `test/` within a domain are understood; without test folders a part is held back."
    )


def check(words: list[str]) -> int:
    """Say what is in the data, what is wrong with it, and what training would do."""
    from unpaired.terminal import progress_bar
    from unpaired.training.prepare import check_data

    parser = Parser(
        prog="unpaired check", description="Decode every file and report. Exit code 1 if training could not run."
    )
    parser.add_argument("data", nargs="+", type=Path, metavar="DATA", help="a folder per domain, or one folder of them")
    parser.add_argument("--size", type=int, default=None, help="the size that you would train at")
    asked = parser.parse(words)
    with progress_bar("looking") as advance:
        text, usable = check_data(asked.data, asked.size, advance)
    out(text)
    return 0 if usable else 1


def translate(words: list[str]) -> int:
    """Translate files and folders with a trained run."""
    from unpaired.terminal import progress_bar, to_terminal
    from unpaired.translate import Options, Translator, translate_files

    parser = Parser(prog="unpaired translate", description=first_line(translate))
    parser.add_argument("run", type=Path, metavar="RUN", help="a run's folder, as `unpaired train` made it")
    parser.add_argument("inputs", nargs="+", type=Path, metavar="INPUT", help="files, or folders (structure kept)")
    parser.add_argument("--to", metavar="DOMAIN", help="the domain to translate to; needed where there are several")
    parser.add_argument(
        "--from", dest="source", metavar="DOMAIN", help="the domain of the inputs, where it is not clear"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="where outputs go (default: translated-DOMAIN)")
    parser.add_argument("--checkpoint", metavar="last|best", help="default: the best where there is one")
    parser.add_argument(
        "--scale",
        default="trained",
        metavar="trained|native",
        help="show the networks pictures as large as in training, or as they are (default: trained)",
    )
    parser.add_argument(
        "--mode", default="target", metavar="target|input", help="colour of the output: the target's, or the input's"
    )
    parser.add_argument("--source-range", type=span, metavar="LOW,HIGH", help="raw values seen as black and white")
    parser.add_argument(
        "--target-range", type=span, metavar="LOW,HIGH", help="raw values of black and white in outputs"
    )
    parser.add_argument("--batch", type=int, default=8, metavar="N", help="pictures translated at once (default: 8)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--overwrite", action="store_true", help="redo outputs that are there")
    asked = parser.parse(words)
    translator = Translator.load(asked.run, asked.checkpoint, asked.device)
    options = Options(asked.mode, asked.scale, asked.source_range, asked.target_range)
    way = translator.way(asked.to, asked.source, options)
    folder = asked.out or Path(f"translated-{way.target.name}")
    with progress_bar(f"to {way.target.name}") as advance:
        outcome = translate_files(
            translator, asked.inputs, folder, way, batch=asked.batch, overwrite=asked.overwrite, progress=advance
        )
    for warning in outcome.warnings:
        to_terminal(f"note: {warning}")
    for path, why in outcome.failed:
        to_terminal(f"not done: {path}: {why}")
    skipped = f", {outcome.skipped} were there already (--overwrite redoes them)" if outcome.skipped else ""
    failed = f", {len(outcome.failed)} could not be done" if outcome.failed else ""
    out(f"{outcome.done} translated{skipped}{failed}: {folder}")
    return 1 if outcome.failed else 0


def span(text: str) -> tuple[float, float]:
    """`LOW,HIGH` as two numbers."""
    try:
        low, high = map(float, text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"'{text}'; expected two numbers, as 0,4095") from error
    return low, high


def evaluate(words: list[str]) -> int:
    """Measure a run: likeness to the target, content kept, and truth where there are pairs."""
    from unpaired.evaluation.run import evaluate as measure
    from unpaired.report import write_report

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
        "--limit", type=int, default=500, metavar="N", help="items of each domain at most (default: 500)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    asked = parser.parse(words)
    found = measure(
        asked.run,
        asked.data,
        pairs=asked.pairs,
        fid=asked.fid,
        checkpoint=asked.checkpoint,
        limit=asked.limit,
        device=asked.device,
    )
    out(found.text())
    write_report(asked.run)
    return 0


def first_line(command: Callable[[list[str]], int]) -> str:
    """What a command does, in a line."""
    return (command.__doc__ or "").splitlines()[0]


def methods(words: list[str]) -> int:
    """List the methods."""
    from unpaired.methods import METHODS

    Parser(prog="unpaired methods", description="List the methods.").parse(words)
    rows = [("method", "family", "domains", "tie of output to input", "paper")]
    rows += [(row.name, row.family, row.domains, row.tie, f"{row.paper} ({row.year})") for row in METHODS.values()]
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    for row in rows:
        out("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


def demo(words: list[str]) -> int:
    """Train on the samples that come with the package, and show what came of it."""
    from unpaired.demo import demo as show
    from unpaired.terminal import to_terminal
    from unpaired.training.session import Interrupted

    parser = Parser(prog="unpaired demo", description=first_line(demo))
    parser.add_argument(
        "--out", type=Path, help="the run's folder (default: runs/black-blond, numbered when it exists)"
    )
    parser.add_argument("--minutes", type=float, default=5.5, help="minutes of training (default: 5.5)")
    asked = parser.parse(words)
    try:
        out(str(show(asked.out, asked.minutes, to_terminal) / "report.html"))
    except Interrupted as stop:
        return interrupted(stop)
    return 0


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "train": train,
    "check": check,
    "translate": translate,
    "evaluate": evaluate,
    "methods": methods,
    "demo": demo,
}
