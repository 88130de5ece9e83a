"""Terms that are left out."""

from __future__ import annotations

import torch

from unpaired.losses.distances import l1
from unpaired.losses.optional import call_unless_none, sum_not_none


def test_total_adds_what_there_is() -> None:
    one, two = torch.tensor(1.0, requires_grad=True), torch.tensor(2.0)
    assert sum_not_none(None, None) is None
    assert sum_not_none(one, None) == 1
    three = sum_not_none(one, two)
    assert three == 3 and three is not None and three.requires_grad


def test_maybe_is_the_term_where_all_its_parts_are() -> None:
    x = torch.ones(2)
    assert call_unless_none(l1, x, torch.zeros(2)) == 1
    assert call_unless_none(l1, x, None) is None
    assert call_unless_none(None, x) is None
