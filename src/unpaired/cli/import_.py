"""`unpaired import`."""

from __future__ import annotations

import shlex
from pathlib import Path

from unpaired.cli.arguments import Parser, get_summary, print_result


def import_(argv: list[str]) -> int:
    """Make a run of a generator that the authors' CycleGAN or CUT code saved."""
    from unpaired.importers.cyclegan import import_generator

    parser = Parser(prog="unpaired import", description=get_summary(import_))
    parser.add_argument("file", type=Path, metavar="FILE", help="latest_net_G_A.pth, latest_net_G.pth and their like")
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="the folder of the run to make")
    parser.add_argument("--from", dest="source", default="A", metavar="NAME", help="the domain it takes (default: A)")
    parser.add_argument("--to", default="B", metavar="NAME", help="the domain it gives (default: B)")
    parser.add_argument(
        "--size", type=int, default=256, metavar="PX", help="side of the pictures it learned from (default: 256)"
    )
    args = parser.parse_all(argv)
    print_result(f"{args.out}: {import_generator(args.file, args.out, args.source, args.to, args.size)}")
    translate_command = ("unpaired", "translate", str(args.out), f"YOUR_{args.source.upper()}", "--to", args.to)
    print_result(f"translate: {shlex.join(translate_command)}")
    return 0
