"""Layers of voices: convolutions with gates, in time and frequency or in time alone, and the ways between the two.

A voice is (B, 1, Q, T): Q coefficients, T frames. Layers in time alone are convolutions of (B, C, 1, T).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unpaired.config.settings import Norm
from unpaired.networks.blocks import EarlyExit, FeatureCollector, FeatureModule, forward_collecting, norm

Size2D = tuple[int, int]


class GatedConv(FeatureModule):
    """Convolution, norm, gated linear unit (Dauphin et al. 2017): half the channels let the other half through.

    `shuffle` (rows, columns) enlarges by sub-pixel convolution. With `labels`, a label moves both halves after the norm
    (which would hide it before): each label has a value for every channel.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: Size2D,
        stride: Size2D = (1, 1),
        kind: Norm = "none",
        upscale_factor: Size2D = (1, 1),
        num_labels: int = 0,
    ) -> None:
        super().__init__()
        conv_channels = 2 * outputs * upscale_factor[0] * upscale_factor[1]
        padding = (kernel[0] - 1) // 2, (kernel[1] - 1) // 2
        self.conv = nn.Conv2d(inputs, conv_channels, kernel, stride, padding)
        self.upscale_factor = upscale_factor
        self.norm = norm(kind, 2 * outputs)
        self.label_bias = nn.Linear(num_labels, 2 * outputs) if num_labels else None

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        """(B, inputs, H, W), label (B, L) -> (B, outputs, h, w)."""
        y = self.norm(pixel_shuffle(self.conv(x), *self.upscale_factor))
        if self.label_bias is not None and label is not None:
            y = y + self.label_bias(label)[:, :, None, None]
        out: Tensor = F.glu(y, 1)
        return out

    def forward_collecting(self, x: Tensor, collector: FeatureCollector | None) -> Tensor:
        """What `forward` gives, which is kept."""
        y: Tensor = self(x)
        if collector is not None and collector.collect(y):
            raise EarlyExit
        return y


class GatedResidualBlock(FeatureModule):
    """`x + norm(conv(gated(x)))`, 3 frames wide: a residual block in time."""

    def __init__(self, channels: int, kind: Norm, num_labels: int = 0) -> None:
        super().__init__()
        self.gated = GatedConv(channels, channels, (1, 3), kind=kind, num_labels=num_labels)
        self.back = nn.Sequential(nn.Conv2d(channels, channels, (1, 3), 1, (0, 1)), norm(kind, channels))

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        """(B, C, 1, T), label (B, L) -> (B, C, 1, T)."""
        y: Tensor = x + self.back(self.gated(x, label))
        return y

    def forward_collecting(self, x: Tensor, collector: FeatureCollector | None) -> Tensor:
        """What `forward` gives, which is kept."""
        y: Tensor = self(x)
        if collector is not None and collector.collect(y):
            raise EarlyExit
        return y


class LabelConditioned(nn.Module):
    """Layers of which each gated one is told the label, which comes as the last `labels` channels."""

    def __init__(self, layers: list[nn.Module], num_labels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.num_labels = num_labels

    def forward(self, x: Tensor) -> Tensor:
        """(B, C + labels, H, W) -> what the last layer gives."""
        label = x[:, -self.num_labels :, 0, 0]
        x = x[:, : -self.num_labels]
        for layer in self.layers:
            x = layer(x, label) if isinstance(layer, GatedConv | GatedResidualBlock) else layer(x)
        return x


class VoiceResidual(FeatureModule):
    """The input plus a learned change. At the start it is the affine baseline: voices are scaled by own statistics."""

    def __init__(self, net: nn.Module, channels: int = 1) -> None:
        super().__init__()
        self.net = net
        self.channels = channels

    def forward_collecting(self, x: Tensor, collector: FeatureCollector | None) -> Tensor:
        """(B, channels or more, Q, T) -> (B, channels, Q, T)."""
        return x[:, : self.channels] + forward_collecting(self.net, x, collector)


class FlattenFrequency(nn.Module):
    """(B, C, Q, T) -> (B, C Q, 1, T): from time and frequency to time alone. `rows` fills Q up with zeros."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows = rows

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, up to `rows`, T) -> (B, C rows, 1, T)."""
        return F.pad(x, (0, 0, 0, self.rows - x.shape[2])).flatten(1, 2).unsqueeze(2)


class UnflattenFrequency(nn.Module):
    """(B, C rows, 1, T) -> (B, C, rows, T): from time alone to time and frequency."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows = rows

    def forward(self, x: Tensor) -> Tensor:
        """(B, C rows, 1, T) -> (B, C, rows, T)."""
        y: Tensor = x.squeeze(2).unflatten(1, (-1, self.rows))
        return y


class PadOrCropRows(nn.Module):
    """Keeps the first `count` rows, or fills up to them with zeros."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, T) -> (B, C, count, T)."""
        return F.pad(x, (0, 0, 0, self.count - x.shape[2]))


class RepeatOverTime(nn.Module):
    """Codes without a time (B, C) are held for `frames`; those that have one stay as they are."""

    def __init__(self, frames: int) -> None:
        super().__init__()
        self.frames = frames

    def forward(self, x: Tensor) -> Tensor:
        """(B, C) -> (B, C, 1, frames), or (B, C, 1, T) -> the same."""
        return x[:, :, None, None].expand(-1, -1, -1, self.frames) if x.dim() == 2 else x


class LocalDeviation(nn.Module):
    """Joins to a voice how much each coefficient moves: its deviation over the frames around, for critics to see.

    A blurred voice has the right mean and too little movement, which a small critic takes long to notice.
    """

    def __init__(self, frames: int = 16) -> None:
        super().__init__()
        self.frames = frames

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, Q, T) -> (B, 2, Q, T)."""
        window = (1, self.frames)
        padded = F.pad(x, (self.frames // 2, (self.frames - 1) // 2, 0, 0), mode="replicate")
        mean = F.avg_pool2d(padded, window, 1)
        square = F.avg_pool2d(padded.square(), window, 1)
        return torch.cat((x, (square - mean.square()).clamp(min=0).add(1e-3).sqrt()), 1)


def pixel_shuffle(x: Tensor, rows: int, columns: int) -> Tensor:
    """Sub-pixel enlargement (Shi et al. 2016) by other factors in height and width: (B, C rows columns, H, W) ->
    (B, C, H rows, W columns).
    """
    if (rows, columns) == (1, 1):
        return x
    batch, channels, height, width = x.shape
    x = x.reshape(batch, channels // (rows * columns), rows, columns, height, width)
    return x.permute(0, 1, 4, 2, 5, 3).reshape(batch, -1, height * rows, width * columns)
