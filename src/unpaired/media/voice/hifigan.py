"""Generator of HiFi-GAN (Kong et al. 2020, arXiv:2010.05646), V1 and V2, for published weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["HifiGanGenerator", "remove_weight_norm"]

_UPSAMPLE_RATES, _UPSAMPLE_KERNELS = (8, 8, 2, 2), (16, 16, 4, 4)
_RESBLOCK_KERNELS, _RESBLOCK_DILATIONS = (3, 7, 11), (1, 3, 5)
_SLOPE, _LAST_SLOPE = 0.1, 0.01  # slopes of leaky ReLU; the published weights were trained with 0.01 here


class HifiGanGenerator(nn.Module):
    """Map log-mel spectra (B, 80, T) to waves (B, 1, 256 T) in [-1, 1]. `width` is 512 for V1 and 128 for V2."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_pre = nn.Conv1d(80, width, 7, padding=3)
        widths = [width >> stage for stage in range(len(_UPSAMPLE_RATES) + 1)]
        self.ups = nn.ModuleList(
            nn.ConvTranspose1d(widths[i], widths[i + 1], size, rate, padding=(size - rate) // 2)
            for i, (rate, size) in enumerate(zip(_UPSAMPLE_RATES, _UPSAMPLE_KERNELS, strict=True))
        )
        self.resblocks = nn.ModuleList(
            _HifiGanResBlock(channels, kernel) for channels in widths[1:] for kernel in _RESBLOCK_KERNELS
        )
        self.conv_post = nn.Conv1d(widths[-1], 1, 7, padding=3)

    def forward(self, mel: Tensor) -> Tensor:
        """Compute the wave; each stage upsamples and averages three residual blocks with different kernel sizes."""
        x = self.conv_pre(mel)
        for stage, up in enumerate(self.ups):
            x = up(functional.leaky_relu(x, _SLOPE))
            first = stage * len(_RESBLOCK_KERNELS)
            x = torch.stack([block(x) for block in self.resblocks[first : first + len(_RESBLOCK_KERNELS)]]).mean(0)
        return torch.tanh(self.conv_post(functional.leaky_relu(x, _LAST_SLOPE)))


class _HifiGanResBlock(nn.Module):
    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()

        def conv(dilation: int) -> nn.Conv1d:
            return nn.Conv1d(channels, channels, kernel, dilation=dilation, padding=dilation * (kernel - 1) // 2)

        self.convs1 = nn.ModuleList(conv(dilation) for dilation in _RESBLOCK_DILATIONS)
        self.convs2 = nn.ModuleList(conv(1) for _ in _RESBLOCK_DILATIONS)

    def forward(self, x: Tensor) -> Tensor:
        for dilated, undilated in zip(self.convs1, self.convs2, strict=True):
            x = x + undilated(functional.leaky_relu(dilated(functional.leaky_relu(x, _SLOPE)), _SLOPE))
        return x


def remove_weight_norm(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Fold weight normalization into the weights: w = g v / |v|, with the norm over all axes but the first."""
    plain = {}
    for name, value in state.items():
        if name.endswith("weight_g"):
            direction = state[f"{name[:-1]}v"].float()
            norm = direction.flatten(1).norm(dim=1).view(-1, 1, 1)
            plain[name.removesuffix("_g")] = value.float() * direction / norm
        elif not name.endswith("weight_v"):
            plain[name] = value.float()
    return plain
