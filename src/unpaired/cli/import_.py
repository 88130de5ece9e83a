"""`unpaired import`."""

from __future__ import annotations

import shlex
from pathlib import Path

from unpaired.cli.arguments import Parser, get_summary, print_result


def import_(argv: list[str]) -> int:
    """Create a run from a generator that the original CycleGAN or CUT code saved."""
    from unpaired.importers.cyclegan import import_generator

    parser = Parser(prog="unpaired import", description=get_summary(import_))
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="file of a generator, such as latest_net_G_A.pth or latest_net_G.pth"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="folder of the new run")
    parser.add_argument(
        "--from", dest="source", default="A", metavar="NAME", help="name of the generator's input domain (default: A)"
    )
    parser.add_argument("--to", default="B", metavar="NAME", help="name of the generator's output domain (default: B)")
    parser.add_argument(
        "--size", type=int, default=256, metavar="PX", help="side of its training images in pixels (default: 256)"
    )
    args = parser.parse_all(argv)
    print_result(f"{args.out}: {import_generator(args.file, args.out, args.source, args.to, args.size)}")
    translate_command = ("unpaired", "translate", str(args.out), f"YOUR_{args.source.upper()}", "--to", args.to)
    print_result(f"To translate, run: {shlex.join(translate_command)}")
    return 0
