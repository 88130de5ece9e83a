"""Kernel distance between two sets of feature sequences, computed on frames without time alignment."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unpaired.metrics import kid

CONTEXT_FRAMES, STRIDE_FRAMES = 6, 3
"""A window joins a frame with the frames `CONTEXT_FRAMES` before and after it; there is one per `STRIDE_FRAMES`."""
MAX_WINDOWS = 1500
"""Maximum number of windows per set; larger sets are subsampled evenly."""


def context_windows(voices: Sequence[Tensor]) -> Tensor:
    """Return the windows (N, 3 Q), N <= `MAX_WINDOWS`, of sequences (1, Q, T) with T > 2 `CONTEXT_FRAMES`."""
    windows = []
    for voice in voices:
        centers = torch.arange(CONTEXT_FRAMES, voice.shape[-1] - CONTEXT_FRAMES, STRIDE_FRAMES)
        windows.append(torch.cat([voice[0, :, centers + shift] for shift in (-CONTEXT_FRAMES, 0, CONTEXT_FRAMES)]).T)
    joined = torch.cat(windows)
    return joined if len(joined) <= MAX_WINDOWS else joined[torch.linspace(0, len(joined) - 1, MAX_WINDOWS).long()]


def frame_distance(real: Sequence[Tensor], converted: Sequence[Tensor]) -> float:
    """Return 1000 times the KID of the windows of two sets of normalized features (1, Q, T).

    The cubic kernel compares means, covariances and third moments of frames and of their change over time, so
    oversmoothed speech has a large distance. Windows of neighboring frames are correlated, so the variance of the
    estimate is larger than the number of windows suggests.

    Raises ValueError if a set has fewer than two windows.
    """
    return 1000 * kid.kid(context_windows(real).float(), context_windows(converted).float())
