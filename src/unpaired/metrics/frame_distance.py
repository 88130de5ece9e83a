"""Distance of two sets of feature sequences, frame by frame: no alignment is needed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unpaired.metrics import kid

CONTEXT_FRAMES, STRIDE_FRAMES = 6, 3
"""A window is a frame with those `CONTEXT_FRAMES` before and after it, one every `STRIDE_FRAMES` frames."""
MAX_WINDOWS = 1500
"""Windows of a set that are compared, evenly spaced where there are more."""


def context_windows(voices: Sequence[Tensor]) -> Tensor:
    """Return the windows (N, 3 Q) of sequences (1, Q, T) longer than 2 `CONTEXT_FRAMES`; N is at most `MAX_WINDOWS`."""
    windows = []
    for voice in voices:
        centers = torch.arange(CONTEXT_FRAMES, voice.shape[-1] - CONTEXT_FRAMES, STRIDE_FRAMES)
        windows.append(torch.cat([voice[0, :, centers + shift] for shift in (-CONTEXT_FRAMES, 0, CONTEXT_FRAMES)]).T)
    joined = torch.cat(windows)
    return joined if len(joined) <= MAX_WINDOWS else joined[torch.linspace(0, len(joined) - 1, MAX_WINDOWS).long()]


def frame_distance(real: Sequence[Tensor], converted: Sequence[Tensor]) -> float:
    """Return the kernel distance of the windows of two sets of scaled features, times 1000: KID's formula on frames.

    With its cubic kernel, means, covariances and third moments count, of a frame and of its motion, so that blurred
    speech is far. Neighbouring frames are alike, so the estimate scatters more than its number of windows suggests.
    Raises ValueError where a set has fewer than two windows.
    """
    return 1000 * kid.kid(context_windows(real).float(), context_windows(converted).float())
