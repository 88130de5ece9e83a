"""`unpaired shards`."""

from __future__ import annotations

from pathlib import Path

from unpaired.cli.arguments import Parser, get_summary, print_result


def shards(argv: list[str]) -> int:
    """Show the shards of a translation; merge their manifests once all are complete."""
    from unpaired.translate.shard_merge import merge_shards

    parser = Parser(prog="unpaired shards", description=get_summary(shards))
    parser.add_argument("out", type=Path, metavar="OUT", help="output folder of `unpaired translate --shard`")
    args = parser.parse_all(argv)
    report = merge_shards(args.out)
    lines = [state.describe() for state in report.states if not (report.is_merged and not state.failed)]
    total = sum(state.total or 0 for state in report.states)
    if report.is_merged:
        lines.append(f"Merged {len(report.states)} shards of {total:,} files in {args.out}.")
    print_result("\n".join(lines))
    return 0 if report.is_merged else 1
