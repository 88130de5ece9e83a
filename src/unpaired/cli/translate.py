"""`unpaired translate`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from unpaired.cli.arguments import Parser, get_summary, print_result
from unpaired.file_names import shorten_name

if TYPE_CHECKING:
    from unpaired.translate import Outcome


def translate(argv: list[str]) -> int:
    """Translate files and folders with a trained run."""
    from unpaired.cli import setting_flags
    from unpaired.console import log_to_terminal, progress_bar
    from unpaired.media import MEDIA
    from unpaired.translate import Translator, translate_files

    parser = Parser(prog="unpaired translate", description=get_summary(translate))
    parser.add_argument("run", type=Path, metavar="RUN", help="a run's folder, as `unpaired train` made it")
    parser.add_argument("inputs", nargs="*", type=Path, metavar="INPUT", help="files, or folders (structure kept)")
    parser.add_argument(
        "--list", dest="file_list", type=Path, metavar="TXT", help="text file of further inputs, one path per line"
    )
    parser.add_argument("--to", metavar="DOMAIN", help="the domain to translate to; of labels also A,B and A=0.7")
    parser.add_argument(
        "--from", dest="source", metavar="DOMAIN", help="the domain of the inputs, where it is not clear"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="where outputs go (default: translated-DOMAIN)")
    parser.add_argument("--checkpoint", metavar="last|best", help="default: the best where there is one")
    models = [medium.translate_options_model for medium in MEDIA.values()]
    setting_flags.add_option_flags(parser, models)
    parser.add_argument(
        "--labels", type=Path, metavar="CSV", help="labels of the inputs: what is not asked for stays as it says"
    )
    parser.add_argument(
        "--batch-size", type=int, default=8, metavar="N", help="pictures translated at once (default: 8)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--overwrite", action="store_true", help="redo outputs that are there")
    parser.add_argument(
        "--stream",
        action="store_true",
        help="of recordings: convert standard input to standard output, 16-bit PCM (WAV, or bare and mono)",
    )
    parser.add_argument("--sample-rate", type=int, metavar="HZ", help="of bare PCM with --stream (default: the run's)")
    args = parser.parse_all(argv)
    if args.stream == bool(args.inputs or args.file_list):
        parser.error("expected files or folders to translate, or --stream (which takes none), or --list TXT")
    if args.stream and (args.out is not None or args.overwrite):
        parser.error("--stream: sound goes to standard output (> out.wav); leave out --out and --overwrite")
    if args.sample_rate is not None and not args.stream:
        parser.error("--sample-rate: for --stream only; files say it themselves")
    translator = Translator.load(args.run, args.checkpoint, args.device)
    fields = {name: info for model in models for name, info in model.model_fields.items()}
    options = setting_flags.parse_options(args, fields) | {"labels": args.labels}
    request = translator.resolve_request(args.to, args.source, options)
    if args.stream:
        medium = translator.config.get_medium()
        medium.translate_stream(
            translator, request, sys.stdin.buffer, sys.stdout.buffer, args.sample_rate, log_to_terminal
        )
        return 0
    folder = args.out or Path(shorten_name(f"translated-{args.to or request.target.name}"))
    with progress_bar(f"to {request.target.name}") as advance:
        outcome = translate_files(
            translator,
            args.inputs,
            folder,
            request,
            batch_size=args.batch_size,
            overwrite=args.overwrite,
            progress=advance,
            file_list=args.file_list,
        )
    print_result(format_outcome(outcome, folder, "translated"))
    return 1 if outcome.failed else 0


def format_outcome(outcome: Outcome, folder: Path, verb: str) -> str:
    """What became of the inputs, in a line; what went wrong is written to standard error."""
    from unpaired.console import log_to_terminal

    for warning in outcome.warnings:
        log_to_terminal(f"note: {warning}")
    for path, reason in outcome.failed:
        log_to_terminal(f"not done: {path}: {reason}")
    skipped = f", {outcome.skipped} were there already (--overwrite redoes them)" if outcome.skipped else ""
    failed = f", {len(outcome.failed)} could not be done" if outcome.failed else ""
    return f"{outcome.done} {verb}{skipped}{failed}: {folder}"
