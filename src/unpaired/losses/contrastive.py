"""Contrastive terms: a code is to be closer to its own partner than to others."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from unpaired.losses.adversarial import upcast


def info_nce(queries: Tensor, keys: Tensor, temperature: float = 0.07) -> Tensor:
    """`-mean(log(exp(q_i k_i / t) / sum_j exp(q_i k_j / t)))` with q and k of unit length (van den Oord et al. 2018).

    `queries` and `keys` are (B, S, C): the partner of a query is the key of its own item and place, the others are the
    keys of the same item at other places (Park et al. 2020, eq. 3). log(S) where nothing is told apart.
    """
    # Half precision would err by a twentieth of what the temperature makes of a cosine.
    with torch.autocast(queries.device.type, enabled=False):
        queries, keys = F.normalize(upcast(queries), dim=-1), F.normalize(upcast(keys), dim=-1)
        logits = queries @ keys.transpose(1, 2) / temperature
        targets = torch.arange(keys.shape[1], device=keys.device).repeat(len(keys))
        return F.cross_entropy(logits.flatten(0, 1), targets)


def multilayer_nce(queries: Sequence[Tensor], keys: Sequence[Tensor], temperature: float = 0.07) -> Tensor:
    """The mean of `info_nce` over layers (Park et al. 2020, eq. 4, as in the authors' code)."""
    losses = [info_nce(query, key, temperature) for query, key in zip(queries, keys, strict=True)]
    return torch.stack(losses).mean()
