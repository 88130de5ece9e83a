"""How far two sets of voices are apart, frame by frame, whatever was said: no alignment is needed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unpaired.metrics import kid

NAME = "frames of voices"
CONTEXT_FRAMES, STRIDE_FRAMES = 6, 3
"""A place is a frame with those `REACH` before and after; every so many frames there is one."""
MAX_WINDOWS = 1500
"""Places of a set that are compared, evenly taken where there are more."""


def context_windows(voices: Sequence[Tensor]) -> Tensor:
    """Voices (1, Q, T), of whatever lengths above 2 `REACH` -> (N, 3 Q), N at most `MOST`."""
    windows = []
    for voice in voices:
        centers = torch.arange(CONTEXT_FRAMES, voice.shape[-1] - CONTEXT_FRAMES, STRIDE_FRAMES)
        windows.append(torch.cat([voice[0, :, centers + shift] for shift in (-CONTEXT_FRAMES, 0, CONTEXT_FRAMES)]).T)
    joined = torch.cat(windows)
    return joined if len(joined) <= MAX_WINDOWS else joined[torch.linspace(0, len(joined) - 1, MAX_WINDOWS).long()]


def frame_distance(real: Sequence[Tensor], converted: Sequence[Tensor]) -> float:
    """Kernel distance of the places of two sets of scaled voices, times 1000: KID's formula on frames themselves.

    With its cubic kernel, means, covariances and third moments count, of a frame and of how it moves: a blurred voice
    is far. Neighbouring frames are alike, so that the estimate scatters more than its number of places says. Raises
    ValueError where a set has fewer than two places.
    """
    return 1000 * kid.kid(context_windows(real).float(), context_windows(converted).float())
