"""`unpaired sample`."""

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


def sample(argv: list[str]) -> int:
    """Generate pictures of every domain from random latent codes (methods cogan and vaegan)."""
    from unpaired.translate import Translator

    parser = Parser(prog="unpaired sample", description=get_summary(sample))
    add_run_argument(parser)
    parser.add_argument(
        "--n",
        type=int,
        default=16,
        metavar="N",
        help="number of samples per domain (default: 16); files of equal names share a code",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("samples"), metavar="DIR", help="output folder (default: samples)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the latent codes (default: 0)")
    add_checkpoint_flag(parser)
    add_device_flag(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")
    args = parser.parse_all(argv)
    translator = Translator.load(args.run, args.checkpoint, args.device)
    medium = translator.config.get_medium()
    files = medium.sample(translator, args.n, args.out, seed=args.seed, overwrite=args.overwrite)
    print_result(str(files[-1]))
    return 0
