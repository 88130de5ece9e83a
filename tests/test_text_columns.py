"""Tables as text: alignment, stacked headings, and the width of a terminal."""

from __future__ import annotations

import io
import os
import sys

import pytest

from unpaired.text_columns import find_terminal_width, format_columns, measure_text_width

HEAD = ["rank", "method", "mean KID (AlexNet)", "steps"]
ROWS = [["1", "cyclegan", "12.5", "1,000"], ["10", "no network", "7.0", "-"]]


def test_headings_are_stacked_above_aligned_cells() -> None:
    assert format_columns(HEAD, ROWS, left=1).splitlines() == [
        "                   mean KID",
        "rank  method      (AlexNet)  steps",
        "   1  cyclegan         12.5  1,000",
        "  10  no network        7.0      -",
    ]


@pytest.mark.parametrize("width", [20, 27, 33, 34])
def test_columns_continue_below_with_their_labels(width: int) -> None:
    text = format_columns(HEAD, ROWS, left=1, max_width=width)
    parts = text.split("\n\n")
    assert len(parts) == (1 if width == 34 else 2)
    assert all("cyclegan" in part for part in parts) and text.count("12.5") == text.count("1,000") == 1
    assert measure_text_width(text) <= max(width, len("rank  method      (AlexNet)"))


def test_empty_tables_and_headings_have_a_width() -> None:
    assert format_columns(["", "a b"], [], left=0) == "  a\n  b"
    assert measure_text_width("") == 0


def test_the_width_of_a_terminal_is_found() -> None:
    assert find_terminal_width(io.StringIO()) is None and find_terminal_width(None) is None


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_pseudo_terminal_has_a_width() -> None:
    import fcntl
    import struct
    import termios

    leader, follower = os.openpty()
    with os.fdopen(leader, "wb", 0), os.fdopen(follower, "w") as stream:
        assert find_terminal_width(stream) is None  # an unset size
        fcntl.ioctl(stream, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 72, 0, 0))
        assert find_terminal_width(stream) == 72
