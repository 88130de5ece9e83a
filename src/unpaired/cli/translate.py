"""`unpaired translate`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from unpaired.cli.arguments import (
    Parser,
    add_checkpoint_flag,
    add_device_flag,
    add_paths_argument,
    add_run_argument,
    add_source_flag,
    get_summary,
    print_result,
)
from unpaired.file_names import shorten_name

if TYPE_CHECKING:
    from unpaired.translate import Outcome


def translate(argv: list[str]) -> int:
    """Translate files and folders with a trained run."""
    from unpaired.cli import option_flags
    from unpaired.console import log_to_terminal, progress_bar
    from unpaired.media import MEDIA
    from unpaired.translate import translate_files
    from unpaired.translate.loading import load_translator
    from unpaired.translate.shards import parse_shard

    parser = Parser(prog="unpaired translate", description=get_summary(translate))
    add_run_argument(parser, ", file that `unpaired export` wrote")
    add_paths_argument(parser, "inputs", "INPUT", "files or folders to translate; subfolders are kept")
    parser.add_argument(
        "--list", dest="file_list", type=Path, metavar="TXT", help="text file of further inputs, one path per line"
    )
    parser.add_argument(
        "--to", metavar="DOMAIN", help="domain to translate to; label-conditioned methods also take A,B and A=0.7"
    )
    add_source_flag(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", help="output folder (default: translated-DOMAIN)")
    add_checkpoint_flag(parser)
    models = [medium.translate_options_model for medium in MEDIA.values()]
    option_flags.add_option_flags(parser, models)
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="CSV",
        help="label table of the inputs (label-conditioned methods); labels not in --to keep its values",
    )
    parser.add_argument("--batch-size", type=int, default=8, metavar="N", help="pictures per batch (default: 8)")
    add_device_flag(parser)
    parser.add_argument(
        "--shard",
        metavar="INDEX/COUNT|auto",
        help="translate one part of the files, as 1/8; auto: the part of this task of a SLURM job array",
    )
    parser.add_argument("--overwrite", action="store_true", help="translate again and replace existing outputs")
    parser.add_argument(
        "--stream",
        action="store_true",
        help="recordings only: translate standard input to standard output (WAV, or raw mono PCM, 16 bits)",
    )
    parser.add_argument(
        "--sample-rate", type=int, metavar="HZ", help="with --stream: sample rate of raw PCM (default: the run's)"
    )
    args = parser.parse_all(argv)
    if args.stream == bool(args.inputs or args.file_list):
        parser.error("expected files or folders to translate, --list TXT, or --stream alone")
    if args.stream and (args.out is not None or args.overwrite or args.shard is not None):
        parser.error("leave out --out, --overwrite and --shard: --stream writes to standard output (> out.wav)")
    if args.sample_rate is not None and not args.stream:
        parser.error("--sample-rate: only valid with --stream; files contain their sample rate")
    shard = parse_shard(args.shard, os.environ, log_to_terminal)
    translator = load_translator(args.run, args.checkpoint, args.device)
    fields = {name: info for model in models for name, info in model.model_fields.items()}
    options = option_flags.parse_options(args, fields) | {"labels": args.labels}
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
            shard=shard,
        )
    print_result(format_outcome(outcome, folder, "Translated"))
    return 1 if outcome.failed else 0


def format_outcome(outcome: Outcome, folder: Path, verb: str) -> str:
    """Return a one-line summary, for instance "Translated 12 files to DIR."; log warnings and failures."""
    from unpaired.console import log_to_terminal

    for warning in outcome.warnings:
        log_to_terminal(f"note: {warning}")
    for path, reason in outcome.failed:
        log_to_terminal(f"failed: {path}: {reason}")
    sentences = [f"{verb} {outcome.done} file{'' if outcome.done == 1 else 's'} to {folder}."]
    if outcome.skipped:
        sentences.append(f"Skipped {outcome.skipped} up to date; add --overwrite to redo them.")
    if outcome.failed:
        sentences.append(f"Failed: {len(outcome.failed)}; see above.")
    return " ".join(sentences)
