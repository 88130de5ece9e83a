"""`unpaired interpolate`."""

from __future__ import annotations

from pathlib import Path

from unpaired.cli.arguments import (
    Parser,
    add_checkpoint_flag,
    add_device_flag,
    add_run_argument,
    get_summary,
    print_result,
)
from unpaired.errors import UsageError


def interpolate(argv: list[str]) -> int:
    """Interpolate between the latent codes of two pictures, decoded in every domain."""
    from unpaired.translate import Translator

    parser = Parser(prog="unpaired interpolate", description=get_summary(interpolate))
    add_run_argument(parser)
    parser.add_argument("ends", nargs=2, type=Path, metavar="PICTURE", help="the two pictures to interpolate between")
    parser.add_argument("--from", dest="sources", metavar="DOMAIN[,DOMAIN]", help="domain of both pictures, or of each")
    parser.add_argument(
        "--steps", type=int, default=8, metavar="N", help="number of pictures, including both ends (default: 8)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("interpolation.png"),
        metavar="FILE|DIR",
        help="file for an image grid, or folder for the grid and each picture (default: interpolation.png)",
    )
    add_checkpoint_flag(parser)
    add_device_flag(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")
    args = parser.parse_all(argv)
    translator = Translator.load(args.run, args.checkpoint, args.device)
    names = [name.strip() for name in args.sources.split(",")] if args.sources else []
    if len(names) not in (1, 2):
        known = ", ".join(translator.domains)
        raise UsageError(
            f"add the domain of the pictures: --from DOMAIN, or --from DOMAIN,DOMAIN if they differ; known: {known}"
        )
    files = translator.config.get_medium().interpolate(
        translator,
        (args.ends[0], args.ends[1]),
        (names[0], names[-1]),
        args.out,
        steps=args.steps,
        overwrite=args.overwrite,
    )
    print_result(str(files[-1]))
    return 0
