"""`unpaired methods`."""

from __future__ import annotations

from unpaired.cli.arguments import Parser, get_summary, print_result


def methods(argv: list[str]) -> int:
    """List the methods that you can train, with their papers."""
    from unpaired.methods import METHODS

    Parser(
        prog="unpaired methods", description=f"{get_summary(methods)} Choose one with `unpaired train --method NAME`."
    ).parse_all(argv)
    rows = [("method", "family", "domains", "content constraint", "paper")]
    rows += [
        (row.name, row.family, row.domains, row.constraint, f"{row.paper} ({row.year})") for row in METHODS.values()
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    for row in rows:
        print_result("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0
