"""Contrastive losses: a query should match its positive key better than the other keys."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from unpaired.losses.adversarial import upcast


def info_nce(queries: Tensor, keys: Tensor, temperature: float = 0.07) -> Tensor:
    """InfoNCE loss `-mean(log(exp(q_i k_i / t) / sum_j exp(q_i k_j / t)))`, q and k of unit length (van den Oord 2018).

    `queries` and `keys` are (B, S, C). The positive key of a query is that of the same item and position; the negative
    keys are those of the same item at other positions (Park et al. 2020, eq. 3). The loss is log(S) if all keys match
    equally well.
    """
    # In half precision, the error of a cosine divided by the temperature would be about 5 %.
    with torch.autocast(queries.device.type, enabled=False):
        queries, keys = F.normalize(upcast(queries), dim=-1), F.normalize(upcast(keys), dim=-1)
        logits = queries @ keys.transpose(1, 2) / temperature
        targets = torch.arange(keys.shape[1], device=keys.device).repeat(len(keys))
        return F.cross_entropy(logits.flatten(0, 1), targets)


def multilayer_nce(queries: Sequence[Tensor], keys: Sequence[Tensor], temperature: float = 0.07) -> Tensor:
    """Return the mean of `info_nce` over layers (Park et al. 2020, eq. 4, as in the authors' code)."""
    losses = [info_nce(query, key, temperature) for query, key in zip(queries, keys, strict=True)]
    return torch.stack(losses).mean()
