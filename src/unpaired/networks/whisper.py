"""Encoder of Whisper (Radford et al. 2022, arXiv:2212.04356) in torch, so that gradients reach its input."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["WhisperNetwork"]


class WhisperNetwork(nn.Module):
    """Two convolutions, fixed sinusoidal positions, and pre-norm transformer blocks: 20 ms of speech per output.

    Args:
        num_mels: Number of mel bands.
        width: Number of features.
        blocks: Number of transformer blocks.
        heads: Number of attention heads; `width` is a multiple of it.
        max_frames: Number of positions.
    """

    positions: Tensor

    def __init__(self, num_mels: int, width: int, blocks: int, heads: int, max_frames: int = 1500) -> None:
        super().__init__()
        self.num_mels, self.num_features = num_mels, width
        self.conv1 = nn.Conv1d(num_mels, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.blocks = nn.ModuleList(WhisperBlock(width, heads) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.register_buffer("positions", torch.zeros(max_frames, width))

    def forward(self, log_mel: Tensor) -> Tensor:
        """Return features (B, T / 2, width) of log-mel spectra (B, num_mels, T) with an even T up to 2 max_frames."""
        x = F.gelu(self.conv2(F.gelu(self.conv1(log_mel)))).transpose(1, 2)
        x = x + self.positions[: x.shape[1]]
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.norm(x)
        return out

    @classmethod
    def from_stored_weights(cls, weights: Mapping[str, Tensor], depth: float = 1.0) -> WhisperNetwork:
        """Build the encoder from the variables of CTranslate2 whose names begin with `encoder/`.

        `depth` is the fraction of its blocks that are used, at least one block. With fewer blocks than there are, the
        last layer norm has no weights, since they belong to the last block.
        Raises KeyError if a variable is missing, RuntimeError or ValueError if a shape does not fit.
        """
        state = {_translate_name(name): x.float() for name, x in weights.items() if x.is_floating_point() and x.dim()}
        width, num_mels, _ = state["conv1.weight"].shape
        heads = int(weights["encoder/num_heads"])
        blocks = 1 + max((int(name.split(".")[1]) for name in state if name.startswith("blocks.")), default=-1)
        used_blocks = max(1, round(depth * blocks))
        if used_blocks < blocks:
            blocks = used_blocks
            state |= {"norm.weight": torch.ones(width), "norm.bias": torch.zeros(width)}
        net = cls(num_mels, width, blocks, heads, len(state["positions"]))
        net.load_state_dict({name: state[name] for name in net.state_dict()})
        return net


class WhisperBlock(nn.Module):
    """Self-attention and a feed-forward network, each after a layer norm and added to its input."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm, self.norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value, self.attention_out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.hidden, self.out = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, T, width) for (B, T, width)."""
        parts = self.query_key_value(self.attention_norm(x)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(*parts.unbind(0)).transpose(1, 2).flatten(2)
        x = x + self.attention_out(attended)
        out: Tensor = x + self.out(F.gelu(self.hidden(self.norm(x))))
        return out


_PARTS = {
    "self_attention/layer_norm": "attention_norm",
    "self_attention/linear_0": "query_key_value",
    "self_attention/linear_1": "attention_out",
    "ffn/layer_norm": "norm",
    "ffn/linear_0": "hidden",
    "ffn/linear_1": "out",
}


def _translate_name(name: str) -> str:
    """Return the name in this module's state dict of a variable of CTranslate2 (`encoder/...`)."""
    if name == "encoder/position_encodings/encodings":
        return "positions"  # rounded to half precision, unlike sines computed anew
    part, _, kind = name.removeprefix("encoder/").rpartition("/")
    kind = {"gamma": "weight", "beta": "bias"}.get(kind, kind)
    block, _, layer = part.partition("/")
    if block.startswith("layer_") and layer in _PARTS:
        return f"blocks.{block.removeprefix('layer_')}.{_PARTS[layer]}.{kind}"
    return f"{part.replace('layer_norm', 'norm')}.{kind}"
