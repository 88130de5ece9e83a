"""Values of flags, as the settings' types read them."""

from __future__ import annotations

from typing import Literal

import pytest

from unpaired.config.value_text import parse_value


@pytest.mark.parametrize(
    ("text", "annotation", "value"),
    [
        ("none", int | None, None),
        ("none", tuple[str, ...], ()),
        ("none", tuple[float, float] | None, None),
        ("none", str, "none"),
        ("none", Literal["none", "batch"], "none"),
        ("a,b", tuple[str, ...], ("a", "b")),
        ("3", int, "3"),
    ],
)
def test_none_stands_for_nothing_where_a_setting_allows_that(text: str, annotation: object, value: object) -> None:
    assert parse_value(text, annotation) == value
