"""Tables as text for a terminal: aligned columns whose headings may have several lines."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence
from typing import Any

GAP = "  "
"""Space between two columns."""


def find_terminal_width(stream: Any) -> int | None:
    """Return the number of characters in a line of the terminal that `stream` writes to; None if it is no terminal."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except (OSError, ValueError, AttributeError):
        return None


def format_columns(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    left: int,
    num_labels: int | None = None,
    max_width: int | None = None,
) -> str:
    """Align columns: column `left` to the left, the others to the right; headings are wrapped to the cells' width.

    If lines are longer than `max_width` characters, the columns continue in further tables, which repeat the first
    `num_labels` columns (default: those up to `left`).
    """
    labels = left + 1 if num_labels is None else num_labels
    columns = [_align_column(cells, is_left=i == left) for i, cells in enumerate(_stack_heads(head, rows))]
    fixed, blocks = columns[:labels], [columns[:labels]]
    for column in columns[labels:]:
        is_too_wide = max_width is not None and _measure_width([*blocks[-1], column]) > max_width
        if is_too_wide and len(blocks[-1]) > labels:
            blocks.append([*fixed])
        blocks[-1].append(column)
    return "\n\n".join(_join_columns(block) for block in blocks)


def measure_text_width(text: str) -> int:
    """Return the length of the longest line."""
    return max(map(len, text.splitlines()), default=0)


def _stack_heads(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return the cells of each column, below its heading in as many lines as the tallest heading needs."""
    columns = [[row[i] for row in rows] for i in range(len(head))]
    heads = [
        textwrap.wrap(text, max(map(len, [*text.split(), *cells])), break_on_hyphens=False) if text else []
        for text, cells in zip(head, columns, strict=True)
    ]
    height = max(map(len, heads), default=0)
    return [[""] * (height - len(lines)) + lines + cells for lines, cells in zip(heads, columns, strict=True)]


def _align_column(cells: Sequence[str], is_left: bool) -> list[str]:
    width = max(map(len, cells))
    return [cell.ljust(width) if is_left else cell.rjust(width) for cell in cells]


def _measure_width(columns: Sequence[Sequence[str]]) -> int:
    return sum(len(column[0]) for column in columns) + len(GAP) * (len(columns) - 1)


def _join_columns(columns: Sequence[Sequence[str]]) -> str:
    return "\n".join(GAP.join(cells).rstrip() for cells in zip(*columns, strict=True))
