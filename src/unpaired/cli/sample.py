"""`unpaired sample`."""

from __future__ import annotations

from pathlib import Path

from unpaired.cli.arguments import Parser, get_summary, print_result


def sample(argv: list[str]) -> int:
    """Make pictures of every domain from noise, with a run whose method can."""
    from unpaired.translate import Translator

    parser = Parser(prog="unpaired sample", description=get_summary(sample))
    parser.add_argument("run", type=Path, metavar="RUN", help="a run's folder, as `unpaired train` made it")
    parser.add_argument("--n", type=int, default=16, help="samples (default: 16); equal names belong together")
    parser.add_argument("--out", type=Path, default=Path("samples"), metavar="DIR", help="default: samples")
    parser.add_argument("--seed", type=int, default=0, help="seed of the noise (default: 0)")
    parser.add_argument("--checkpoint", metavar="last|best", help="default: the best where there is one")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    args = parser.parse_all(argv)
    translator = Translator.load(args.run, args.checkpoint, args.device)
    medium = translator.config.get_medium()
    files = medium.sample(translator, args.n, args.out, seed=args.seed, overwrite=args.overwrite)
    print_result(str(files[-1]))
    return 0
