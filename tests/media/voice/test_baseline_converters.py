from __future__ import annotations

import numpy as np
import pytest
import torch

from unpaired.errors import WorkError
from unpaired.media.voice import baseline_converters
from unpaired.media.voice.baseline_converters import AffineBaseline, NearestNeighbourBaseline
from unpaired.media.voice.features import Floats


def frames(count: int, mean: float = 0, deviation: float = 1, seed: int = 0, coefficients: int = 3) -> Floats:
    return np.random.default_rng(seed).normal(mean, deviation, (coefficients, count)).astype(np.float32)


def test_affine_equals_computed_values() -> None:
    source, target = np.array([[0, 2], [5, 5]], np.float32), np.array([[10, 30], [1, 3]], np.float32)
    fitted = AffineBaseline.fit(source, target)
    # Mean 1 and standard deviation 1 become 20 and 10; a constant row becomes the target's mean.
    np.testing.assert_allclose(fitted(np.array([[1, 3], [5, 5]], np.float32)), [[20, 40], [2, 2]], rtol=1e-5)


def test_affine_output_has_the_moments_of_the_target() -> None:
    source, target = frames(500, 3, 2), frames(400, -1, 0.5, seed=1)
    out = AffineBaseline.fit(source, target)(source)
    np.testing.assert_allclose(out.mean(1), target.mean(1), atol=1e-4)
    np.testing.assert_allclose(out.std(1), target.std(1), rtol=1e-4)
    assert out.dtype == np.float32


def slow_nearest(values: Floats, source: Floats, target: Floats, k: int) -> Floats:
    """Compute in loops: match moments, find the nearest frames, average them, and smooth over three frames."""
    found = []
    for frame in values.T:
        moved = (frame - source.mean(1)) / source.std(1) * target.std(1) + target.mean(1)
        far = [np.sum((moved - known) ** 2) for known in target.T]
        found.append(target[:, np.argsort(far)[:k]].mean(1))
    padded = [found[0], *found, found[-1]]
    return np.stack([np.mean(padded[t : t + 3], 0) for t in range(len(found))], 1)


@pytest.mark.parametrize("piece", [1 << 24, 200])  # all frames at once, and pieces of 5 frames
def test_nearest_neighbours_equal_a_loop_implementation(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baseline_converters, "_MAX_DISTANCES", piece)
    source, target, values = frames(30, 2, 3), frames(40, -1, 0.5, seed=1), frames(17, 2, 3, seed=2)
    out = NearestNeighbourBaseline.fit(source, target)(values)
    assert out.shape == values.shape and out.dtype == np.float32
    np.testing.assert_allclose(out, slow_nearest(values, source, target, 4), atol=1e-5)


def test_target_frames_are_their_own_nearest_neighbours() -> None:
    target = frames(50)
    found = NearestNeighbourBaseline.fit(target, target, k=1)
    inner = np.stack([target[:, t - 1 : t + 2].mean(1) for t in range(1, 49)], 1)
    np.testing.assert_allclose(found(target)[:, 1:-1], inner, atol=1e-5)


def test_the_library_is_bounded() -> None:
    fitted = NearestNeighbourBaseline.fit(frames(30), frames(500, seed=1), max_frames=100)
    assert fitted.library.shape == (100, 3)
    assert NearestNeighbourBaseline.fit(frames(30), frames(2, seed=1)).k == 2


@pytest.mark.parametrize("kind", [AffineBaseline, NearestNeighbourBaseline])
def test_baselines_survive_a_round_trip_through_tensors(kind: type[AffineBaseline | NearestNeighbourBaseline]) -> None:
    fitted = kind.fit(frames(60), frames(50, 3, seed=1))
    again = kind.from_tensors({name: torch.clone(tensor) for name, tensor in fitted.to_tensors().items()})
    np.testing.assert_array_equal(again(frames(9, seed=2)), fitted(frames(9, seed=2)))


@pytest.mark.parametrize("kind", [AffineBaseline, NearestNeighbourBaseline])
def test_fit_raises_work_error_for_unusable_speakers(kind: type[AffineBaseline | NearestNeighbourBaseline]) -> None:
    with pytest.raises(WorkError, match="at least two frames"):
        kind.fit(frames(1), frames(9))
    with pytest.raises(WorkError, match="3 and 4 coefficients"):
        kind.fit(frames(9), frames(9, coefficients=4))
