"""Training with too little memory: smaller micro-batches, a correct restart, and messages without a traceback."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
import yaml
from safetensors.torch import load_file
from torch import nn

from unpaired import resume, train
from unpaired.config.run_config import RunConfig
from unpaired.errors import WorkError
from unpaired.methods.base import Batch
from unpaired.training import memory_limits
from unpaired.training.distributed import Distributed
from unpaired.training.loop import TrainingLoop
from unpaired.training.memory_limits import SavedTensors, estimate_step_bytes, repeat_within_memory

TINY: dict[str, Any] = {
    "preset": "tiny",
    "size": 16,
    "width": 4,
    "blocks": 1,
    "discriminator_width": 4,
    "norm": "group",
    "precision": "fp32",
    "threads": 1,
    "evaluate_every": 0,
    "sample_every": 0,
    "checkpoint_every": 2,
    "minutes": None,
    "batch_size": 4,
    "steps": 4,
}


def quiet(_: str) -> None:
    pass


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "model.safetensors")


def fail_in_step(monkeypatch: pytest.MonkeyPatch, step: int, max_items: int, error: BaseException) -> list[int]:
    """Raise `error` at the end of a step from `step` on, after its weights moved, for micro-batches above `max_items`.

    Returns the list of the steps made, which grows.
    """
    original, steps = TrainingLoop.step, []

    def limited(loop: TrainingLoop, batches: Sequence[Batch], context: Any, lr_factor: float = 1.0) -> Any:
        losses = original(loop, batches, context, lr_factor)
        if context.step >= step and len(next(iter(batches[0].values()))) > max_items:
            raise error
        steps.append(context.step)
        return losses

    monkeypatch.setattr(TrainingLoop, "step", limited)
    return steps


@pytest.mark.parametrize("step", [0, 3])
def test_the_run_continues_as_with_micro_batches_from_its_checkpoint(
    step: int, discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = step // 2 * 2
    if saved:
        expected = train(discs, out=tmp_path / "a", log=quiet, on_step=lambda report: report.step < saved, **TINY)
        config = yaml.safe_load((expected / "config.yaml").read_text())
        config["training"]["grad_accumulation"] = 2
        (expected / "config.yaml").write_text(yaml.safe_dump(config))
        resume(expected, log=quiet)
    else:
        expected = train(discs, out=tmp_path / "a", log=quiet, **TINY, grad_accumulation=2)
    messages: list[str] = []
    steps = fail_in_step(monkeypatch, step, 2, torch.OutOfMemoryError("fake"))
    run = train(discs, out=tmp_path / "b", log=messages.append, **TINY)
    assert steps == [*range(step), *range(saved, 4)]
    assert yaml.safe_load((run / "config.yaml").read_text())["training"]["grad_accumulation"] == 2
    (message,) = [text for text in messages if "out of memory" in text]
    assert "--grad-accumulation 2" in message and "\n" not in message
    ours, theirs = weights(run), weights(expected)
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_micro_batches_of_one_item_that_do_not_fit_end_the_run(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_in_step(monkeypatch, 0, 0, RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"))
    with pytest.raises(WorkError, match="--size"):
        train(discs, out=tmp_path / "a", log=quiet, **TINY)


def test_batch_norm_is_refused_with_the_reason(discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_in_step(monkeypatch, 0, 2, torch.OutOfMemoryError("fake"))
    with pytest.raises(WorkError, match="batch norm"):
        train(discs, out=tmp_path / "a", log=quiet, **{**TINY, "norm": "batch", "ema_decay": 0})


def test_a_loss_on_batch_statistics_is_refused_with_the_reason(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_in_step(monkeypatch, 0, 2, torch.OutOfMemoryError("fake"))
    with pytest.raises(WorkError, match=r"discogan.*--batch-size"):
        train(discs, out=tmp_path / "a", log=quiet, method="discogan", **TINY)
    run = train(discs, out=tmp_path / "b", log=quiet, method="discogan", adversarial_fraction=1.0, **TINY)
    assert yaml.safe_load((run / "config.yaml").read_text())["training"]["grad_accumulation"] == 2


def test_other_errors_are_not_repeated(discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = fail_in_step(monkeypatch, 1, 0, RuntimeError("a defect"))
    with pytest.raises(RuntimeError, match="a defect"):
        train(discs, out=tmp_path / "a", log=quiet, **TINY)
    assert steps == [0]


@pytest.mark.parametrize(("gigabytes", "accumulation"), [(10.0, 1), (0.0, None)])
def test_the_need_is_estimated_before_training(
    gigabytes: float, accumulation: int | None, discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_limits, "read_available_bytes", lambda: int(gigabytes * 1e9))
    if accumulation is None:
        with pytest.raises(WorkError, match="GB are free"):
            train(discs, out=tmp_path / "a", log=quiet, **TINY)
        assert not (tmp_path / "a").exists()
    else:
        run = train(discs, out=tmp_path / "a", log=quiet, **TINY)
        assert yaml.safe_load((run / "config.yaml").read_text())["training"]["grad_accumulation"] == accumulation


def test_the_estimate_raises_the_number_of_micro_batches(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs: list[str] = []
    monkeypatch.setattr(memory_limits, "read_available_bytes", lambda: 1)
    with pytest.raises(WorkError):
        train(discs, out=tmp_path / "a", log=needs.append, **TINY)
    counts = [text.split("--grad-accumulation ")[1].split(",")[0] for text in needs if "--grad-acc" in text]
    assert counts == ["2", "4"]


def test_a_rank_gets_its_part_of_the_memory_of_its_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for available, expected in ((100, 50.0), (None, float("inf"))):
        monkeypatch.setattr(memory_limits, "read_available_bytes", lambda value=available: value)
        config = SimpleNamespace(training=SimpleNamespace(devices=2, nodes=3))
        assert memory_limits.read_bytes_per_rank(cast(Any, config)) == expected


def test_the_rank_with_the_least_memory_decides_for_all(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_limits, "read_available_bytes", lambda: 1 << 40)
    monkeypatch.setattr("unpaired.training.distributed.Distributed.minimum", lambda *_: 0.0)
    with pytest.raises(WorkError, match="GB are free"):
        train(discs, out=tmp_path / "a", log=quiet, **TINY)


def test_micro_batches_add_what_they_keep_between_turns() -> None:
    """Eight items in four micro-batches: 2 x (10 + 3 x (14 - 10))."""
    assert estimate_step_bytes(8, 4, {1: 10.0, 2: 14.0}.__getitem__) == 44
    assert estimate_step_bytes(8, 1, {1: 10.0}.__getitem__) == 80


def test_a_rank_that_runs_out_of_memory_alone_reports_it() -> None:
    ranks = Distributed(cast(Any, SimpleNamespace(world_size=2, global_rank=1)))

    def work(_: RunConfig) -> None:
        raise torch.OutOfMemoryError("fake")

    with pytest.raises(WorkError, match="--batch-size") as caught:
        repeat_within_memory(work, cast(Any, None), cast(Any, nn.Linear(1, 1)), ranks, quiet)
    assert not caught.value.is_reported_elsewhere


def test_saved_tensors_are_counted_once_and_until_they_are_freed() -> None:
    layer, x = nn.Linear(8, 8), torch.randn(4, 8)
    with SavedTensors() as saved:
        y = layer(x).tanh()
        z = (y * y).sum()
        held = saved.bytes
        z.backward()
    # The layer keeps its input, tanh its output, which the product keeps too.
    assert 2 * 4 * 8 * 4 <= held <= 2 * 4 * 8 * 4 + 8 * 8 * 4
    assert saved.bytes == 0 and saved.peak_bytes == held
