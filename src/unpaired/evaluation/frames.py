"""How far two sets of voices are apart, frame by frame, whatever was said: no alignment is needed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unpaired.evaluation import kid

NAME = "frames of voices"
REACH, EVERY = 6, 3
"""A place is a frame with those `REACH` before and after; every so many frames there is one."""
MOST = 1500
"""Places of a set that are compared, evenly taken where there are more."""


def places(voices: Sequence[Tensor]) -> Tensor:
    """Voices (1, Q, T), of whatever lengths above 2 `REACH` -> (N, 3 Q), N at most `MOST`."""
    found = []
    for voice in voices:
        at = torch.arange(REACH, voice.shape[-1] - REACH, EVERY)
        found.append(torch.cat([voice[0, :, at + shift] for shift in (-REACH, 0, REACH)]).T)
    joined = torch.cat(found)
    return joined if len(joined) <= MOST else joined[torch.linspace(0, len(joined) - 1, MOST).long()]


def distance(real: Sequence[Tensor], made: Sequence[Tensor]) -> float:
    """Kernel distance of the places of two sets of scaled voices, times 1000: KID's formula on frames themselves.

    With its cubic kernel, means, covariances and third moments count, of a frame and of how it moves: a blurred voice
    is far. Neighbouring frames are alike, so that the estimate scatters more than its number of places says. Raises
    ValueError where a set has fewer than two places.
    """
    return 1000 * kid.kid(places(real).float(), places(made).float())
