"""`unpaired interpolate`."""

from __future__ import annotations

from pathlib import Path

from unpaired.cli.arguments import Parser, get_summary, print_result
from unpaired.errors import UsageError


def interpolate(argv: list[str]) -> int:
    """Show what lies between two pictures in every domain, with a run whose method has codes."""
    from unpaired.translate import Translator

    parser = Parser(prog="unpaired interpolate", description=get_summary(interpolate))
    parser.add_argument("run", type=Path, metavar="RUN", help="a run's folder, as `unpaired train` made it")
    parser.add_argument("ends", nargs=2, type=Path, metavar="PICTURE", help="the two pictures")
    parser.add_argument(
        "--from", dest="sources", metavar="DOMAIN[,DOMAIN]", help="the domain of both pictures, or of each"
    )
    parser.add_argument("--steps", type=int, default=8, help="pictures on the path, the ends with them (default: 8)")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("interpolation.png"),
        metavar="FILE|DIR",
        help="a sheet, or a folder of the pictures and a sheet (default: interpolation.png)",
    )
    parser.add_argument("--checkpoint", metavar="last|best", help="default: the best where there is one")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    args = parser.parse_all(argv)
    translator = Translator.load(args.run, args.checkpoint, args.device)
    names = [name.strip() for name in args.sources.split(",")] if args.sources else []
    if len(names) not in (1, 2):
        known = " or ".join(translator.domains)
        raise UsageError(f"say which domain the pictures are of: --from DOMAIN, or --from DOMAIN,DOMAIN; {known}")
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
