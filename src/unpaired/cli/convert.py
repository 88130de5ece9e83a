"""`unpaired convert`."""

from __future__ import annotations

from pathlib import Path

from unpaired.cli.arguments import Parser, get_summary, print_result
from unpaired.cli.translate import format_outcome
from unpaired.file_names import shorten_name


def convert(argv: list[str]) -> int:
    """Convert the voice of recordings to another speaker without training, in seconds."""
    from unpaired.cli import option_flags
    from unpaired.config.validation import validate
    from unpaired.console import log_to_terminal, progress_bar
    from unpaired.data.folders import discover_collections
    from unpaired.media import MEDIA
    from unpaired.translate.files import process_files

    parser = Parser(prog="unpaired convert", description=get_summary(convert))
    parser.add_argument("target", type=Path, metavar="TARGET", help="folder of recordings of the target speaker")
    parser.add_argument("inputs", nargs="+", type=Path, metavar="INPUT", help="recordings to convert: files or folders")
    parser.add_argument(
        "--source",
        type=Path,
        metavar="FOLDER",
        help="folder of recordings of the speaker to convert (needed by the converters knn and affine)",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="output folder (default: converted-TARGET)")
    parser.add_argument("--overwrite", action="store_true", help="convert again and replace existing outputs")
    models = [medium.convert_options_model for medium in MEDIA.values()]
    option_flags.add_option_flags(parser, models)
    args = parser.parse_all(argv)
    target, *sources = discover_collections([args.target, *([] if args.source is None else [args.source])])
    medium = target.medium
    fields = {name: info for model in models for name, info in model.model_fields.items()}
    options = validate(medium.convert_options_model, option_flags.parse_options(args, fields), "option")
    with progress_bar("analyzing") as advance:
        converter = medium.fit_converter(target, sources[0] if sources else None, options, advance)
    for note in converter.notes:
        log_to_terminal(f"note: {note}")
    folder = args.out or Path(shorten_name(f"converted-{converter.target}"))
    with progress_bar(f"to {converter.target}") as advance:
        outcome = process_files(converter.pipeline, args.inputs, folder, [], overwrite=args.overwrite, progress=advance)
    print_result(format_outcome(outcome, folder, "Converted"))
    return 1 if outcome.failed else 0
