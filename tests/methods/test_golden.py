from __future__ import annotations

import json
from typing import Any

import pytest
from golden_traces import FILE, FORMS, trace
from tiny_methods import IMAGE_METHODS

GOLDEN: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))


def flat(tree: Any, at: str = "") -> dict[str, float]:
    """Flatten nested dictionaries and lists into one dictionary."""
    if isinstance(tree, float):
        return {at: tree}
    parts = tree.items() if isinstance(tree, dict) else enumerate(tree)
    return {key: value for name, part in parts for key, value in flat(part, f"{at}/{name}").items()}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", IMAGE_METHODS)
def test_three_steps_give_the_recorded_values(name: str, form: str) -> None:
    assert flat(trace(name, form)) == pytest.approx(flat(GOLDEN[f"{name} {form}"]), rel=1e-9, abs=1e-7)


def test_every_record_belongs_to_a_method() -> None:
    assert set(GOLDEN) == {f"{name} {form}" for name in IMAGE_METHODS for form in FORMS}
