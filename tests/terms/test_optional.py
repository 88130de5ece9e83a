"""Terms that are left out."""

from __future__ import annotations

import torch

from unpaired.terms.closeness import l1
from unpaired.terms.optional import maybe, total


def test_total_adds_what_there_is() -> None:
    one, two = torch.tensor(1.0, requires_grad=True), torch.tensor(2.0)
    assert total(None, None) is None
    assert total(one, None) == 1
    three = total(one, two)
    assert three == 3 and three is not None and three.requires_grad


def test_maybe_is_the_term_where_all_its_parts_are() -> None:
    x = torch.ones(2)
    assert maybe(l1, x, torch.zeros(2)) == 1
    assert maybe(l1, x, None) is None
    assert maybe(None, x) is None
