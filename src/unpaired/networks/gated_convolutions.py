"""Layers for voice features: gated convolutions (2D or 1D), and conversions between the two layouts.

Voice features are (B, 1, Q, T): Q coefficients, T frames. 2D layers convolve over coefficients and frames; 1D layers
convolve (B, C, 1, T) over frames only.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unpaired.config.settings import Norm
from unpaired.networks.blocks import EarlyExit, FeatureCollector, FeatureModule, forward_collecting, norm

Size2D = tuple[int, int]


class GatedConv(FeatureModule):
    """Convolution, normalization and gated linear unit (GLU, Dauphin et al. 2017).

    The convolution has twice the output channels; one half passes through a sigmoid and scales the other.

    Args:
        kernel, stride: (rows, columns) of the convolution.
        kind: The normalization.
        upscale_factor: (rows, columns) by which a sub-pixel convolution enlarges the output.
        num_labels: If above 0, a label adds a learned bias per channel, after the normalization, which would remove it.
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
        """(B, inputs, H, W) and optionally a label (B, num_labels) -> (B, outputs, h, w)."""
        y = self.norm(pixel_shuffle(self.conv(x), *self.upscale_factor))
        if self.label_bias is not None and label is not None:
            y = y + self.label_bias(label)[:, :, None, None]
        out: Tensor = F.glu(y, 1)
        return out

    def forward_collecting(self, x: Tensor, collector: FeatureCollector | None) -> Tensor:
        """Compute `forward` and append its output to `collector`."""
        y: Tensor = self(x)
        if collector is not None and collector.collect(y):
            raise EarlyExit
        return y


class GatedResidualBlock(FeatureModule):
    """1D residual block `x + norm(conv(gated(x)))`, with kernels of 3 frames."""

    def __init__(self, channels: int, kind: Norm, num_labels: int = 0) -> None:
        super().__init__()
        self.gated = GatedConv(channels, channels, (1, 3), kind=kind, num_labels=num_labels)
        self.back = nn.Sequential(nn.Conv2d(channels, channels, (1, 3), 1, (0, 1)), norm(kind, channels))

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        """(B, C, 1, T) and optionally a label (B, num_labels) -> (B, C, 1, T)."""
        y: Tensor = x + self.back(self.gated(x, label))
        return y

    def forward_collecting(self, x: Tensor, collector: FeatureCollector | None) -> Tensor:
        """Compute `forward` and append its output to `collector`."""
        y: Tensor = self(x)
        if collector is not None and collector.collect(y):
            raise EarlyExit
        return y


class LabelConditioned(nn.Module):
    """Apply layers in order and pass the label, the last `num_labels` channels of the input, to every gated layer."""

    def __init__(self, layers: list[nn.Module], num_labels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.num_labels = num_labels

    def forward(self, x: Tensor) -> Tensor:
        """(B, C + num_labels, H, W) -> the output of the last layer."""
        label = x[:, -self.num_labels :, 0, 0]
        x = x[:, : -self.num_labels]
        for layer in self.layers:
            x = layer(x, label) if isinstance(layer, GatedConv | GatedResidualBlock) else layer(x)
        return x


class VoiceResidual(FeatureModule):
    """Add a learned residual to the input features.

    Features are normalized per speaker, so that a residual of zero is the affine baseline conversion.
    """

    def __init__(self, net: nn.Module, channels: int = 1) -> None:
        super().__init__()
        self.net = net
        self.channels = channels

    def forward_collecting(self, x: Tensor, collector: FeatureCollector | None) -> Tensor:
        """(B, C or more, Q, T) -> (B, C, Q, T); the residual is added to the first C channels."""
        return x[:, : self.channels] + forward_collecting(self.net, x, collector)


class FlattenFrequency(nn.Module):
    """Convert the 2D layout to the 1D layout: (B, C, Q, T) -> (B, C rows, 1, T), padding Q with zeros to `rows`."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows = rows

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, Q, T) with Q at most `rows` -> (B, C rows, 1, T)."""
        return F.pad(x, (0, 0, 0, self.rows - x.shape[2])).flatten(1, 2).unsqueeze(2)


class LastRows(nn.Module):
    """Select the last `rows` rows: (B, C, Q, T) -> (B, C, rows, T)."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows = rows

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, Q, T) -> (B, C, rows, T)."""
        return x[:, :, x.shape[2] - self.rows :]


class UnflattenFrequency(nn.Module):
    """Convert the 1D layout to the 2D layout: (B, C rows, 1, T) -> (B, C, rows, T)."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows = rows

    def forward(self, x: Tensor) -> Tensor:
        """(B, C rows, 1, T) -> (B, C, rows, T)."""
        y: Tensor = x.squeeze(2).unflatten(1, (-1, self.rows))
        return y


class PadOrCropRows(nn.Module):
    """Keep the first `count` rows, or pad to `count` rows with zeros."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, T) -> (B, C, count, T)."""
        return F.pad(x, (0, 0, 0, self.count - x.shape[2]))


class RepeatOverTime(nn.Module):
    """Repeat codes without a time axis (B, C) over `frames`; return codes with a time axis unchanged."""

    def __init__(self, frames: int) -> None:
        super().__init__()
        self.frames = frames

    def forward(self, x: Tensor) -> Tensor:
        """(B, C) -> (B, C, 1, frames); (B, C, 1, T) -> the same."""
        return x[:, :, None, None].expand(-1, -1, -1, self.frames) if x.dim() == 2 else x


class LocalDeviation(nn.Module):
    """Concatenate voice features with the standard deviation of each coefficient over the surrounding `frames`.

    Over-smoothed features have the right mean and too little variation over time. A small discriminator learns slowly
    to detect that from the features alone. The deviation is computed in float32 or wider: in half precision, the
    difference of two squares that are larger than the variance is mostly rounding error.
    """

    def __init__(self, frames: int = 16) -> None:
        super().__init__()
        self.frames = frames

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, Q, T) -> (B, 2, Q, T), in float32 or wider."""
        x = x.to(torch.promote_types(x.dtype, torch.float32))
        window = (1, self.frames)
        padded = F.pad(x, (self.frames // 2, (self.frames - 1) // 2, 0, 0), mode="replicate")
        mean = F.avg_pool2d(padded, window, 1)
        square = F.avg_pool2d(padded.square(), window, 1)
        return torch.cat((x, (square - mean.square()).clamp(min=0).add(1e-3).sqrt()), 1)


def pixel_shuffle(x: Tensor, rows: int, columns: int) -> Tensor:
    """Rearrange channels into pixels, with separate factors for rows and columns (Shi et al. 2016).

    (B, C rows columns, H, W) -> (B, C, H rows, W columns).
    """
    if (rows, columns) == (1, 1):
        return x
    batch, channels, height, width = x.shape
    x = x.reshape(batch, channels // (rows * columns), rows, columns, height, width)
    return x.permute(0, 1, 4, 2, 5, 3).reshape(batch, -1, height * rows, width * columns)
