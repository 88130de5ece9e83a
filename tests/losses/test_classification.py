from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from unpaired.losses.classification import (
    classification_loss,
    inverted_label_loss,
    predict_labels,
    select_domain_scores,
)

SPANS = (slice(0, 3), slice(3, 4))


def rows(*values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def softmax(values: list[float], at: int) -> float:
    return math.exp(values[at]) / sum(math.exp(v) for v in values)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


LOGITS = [[0.5, -1.0, 2.0, 0.3], [1.0, 0.0, -1.0, -2.0]]


def test_class_loss_equals_computed_values() -> None:
    label = rows([0, 0, 1, 1], [1, 0, 0, 0])
    exclusive = -(math.log(softmax(LOGITS[0][:3], 2)) + math.log(softmax(LOGITS[1][:3], 0))) / 2
    single = -(math.log(sigmoid(0.3)) + math.log(1 - sigmoid(-2.0))) / 2
    found = classification_loss(rows(*LOGITS), label, torch.ones(2, 4), SPANS)
    assert found.item() == pytest.approx(exclusive + single, abs=1e-12)


def test_unknown_attributes_do_not_count() -> None:
    label = rows([0, 0, 1, 1], [0, 0, 0, 0])
    known = rows([1, 1, 1, 0], [0, 0, 0, 0])
    logits = rows(*LOGITS).requires_grad_()
    assert classification_loss(logits, label, known, SPANS).item() == pytest.approx(
        -math.log(softmax(LOGITS[0][:3], 2)), abs=1e-12
    )
    none = classification_loss(logits, label, torch.zeros(2, 4), SPANS)
    assert none.item() == 0 and none.isfinite()
    none.backward()
    assert logits.grad is not None and not logits.grad.any()


def test_items_without_any_value_do_not_count() -> None:
    found = classification_loss(rows(LOGITS[0]), rows([0, 0, 0, 1]), torch.ones(1, 4), SPANS)
    assert found.item() == pytest.approx(-math.log(sigmoid(0.3)), abs=1e-12)


def test_inverted_label_loss_equals_computed_values() -> None:
    found = inverted_label_loss(rows(LOGITS[0]), rows([0, 0, 1, 1]), torch.ones(1, 4), SPANS)
    others = -(math.log(softmax(LOGITS[0][:3], 0)) + math.log(softmax(LOGITS[0][:3], 1))) / 2
    assert found.item() == pytest.approx(others - math.log(1 - sigmoid(0.3)), abs=1e-12)


def test_inverted_label_loss_lowers_the_true_class() -> None:
    logits = rows([0.0, 0.0, 0.0, 0.0]).requires_grad_()
    inverted_label_loss(logits, rows([0, 0, 1, 1]), torch.ones(1, 4), SPANS).backward()
    assert logits.grad is not None
    assert (logits.grad[0, :2] < 0).all() and (logits.grad[0, 2:] > 0).all()


def test_decision_takes_the_most_likely_value_of_a_group() -> None:
    assert predict_labels(rows(*LOGITS), SPANS).tolist() == [[0, 0, 1, 1], [1, 0, 0, 0]]


def test_selected_scores_are_those_of_the_values_in_the_label() -> None:
    scores = torch.arange(2 * 10, dtype=torch.float64).reshape(2, 10, 1, 1)  # two views with 3 + 2 values each
    found = select_domain_scores(scores, rows([0, 0, 1, 1], [1, 0, 0, 0]), rows([1, 1, 1, 1], [1, 1, 1, 0]), SPANS)
    assert found.shape == (2, 2, 1, 1)
    assert found.flatten().tolist() == [(2 + 3) / 2, (7 + 8) / 2, 10, 15]
