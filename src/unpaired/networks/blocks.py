"""Layers that several networks share. All normalizations except batch norm treat the items of a batch independently."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import nullcontext, suppress
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unpaired.config.settings import Norm
from unpaired.devices import fork_rng
from unpaired.networks.image_settings import Padding


class NonAffineGroupNorm(nn.Module):
    """Group norm without affine parameters; with `groups == channels` it is instance norm.

    `nn.InstanceNorm2d` computes the same values, but in torch 2.13 its gradients are wrong for channels_last input on a
    CPU, and it is slower.
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape; each group of channels of each item has mean 0 and variance 1."""
        return F.group_norm(x, self.groups)


class HalfNorm(nn.Module):
    """Normalize the first half of the channels and pass the others unchanged (Pan et al. 2018, arXiv:1807.09441).

    The normalized half does not contain absolute colors and brightness, the other half does. The next layer can use
    either.
    """

    def __init__(self, half: nn.Module) -> None:
        super().__init__()
        self.half_norm = half

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W), for an even C -> the same shape."""
        first, second = x.chunk(2, dim=1)
        return torch.cat((self.half_norm(first), second), dim=1)


def norm(kind: Norm, channels: int) -> nn.Module:
    """Return the normalization layer for `channels` channels.

    "instance" has no affine parameters, as in CycleGAN; "instance-affine" has them. "group" is affine, with 16 channels
    per group. "batch" is affine and uses its running statistics in eval mode. "none" is the identity.
    """
    if kind == "instance":
        return NonAffineGroupNorm(channels)
    if kind == "instance-affine":
        return nn.GroupNorm(channels, channels)
    if kind == "group":
        return nn.GroupNorm(max(1, channels // 16), channels)
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    return nn.Identity()


def as_affine(kind: Norm) -> Norm:
    """Replace "instance" with "instance-affine"; return any other kind unchanged."""
    return "instance-affine" if kind == "instance" else kind


def conv(inputs: int, outputs: int, kernel: int, padding: Padding = "reflect", stride: int = 1) -> nn.Conv2d:
    """Return a convolution that keeps the size (stride 1) or halves it (stride 2)."""
    return nn.Conv2d(inputs, outputs, kernel, stride, (kernel - 1) // 2, padding_mode=padding)


class Blur(nn.Module):
    """Blur with the filter 1 2 1 and reflected borders; downsample by `stride` (Zhang 2019, arXiv:1904.11486)."""

    taps: Tensor

    def __init__(self, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride
        row = torch.tensor([0.25, 0.5, 0.25])
        self.register_buffer("taps", torch.outer(row, row)[None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H/stride, W/stride), rounded up."""
        channels = x.shape[1]
        mirrored = F.pad(x, (1, 1, 1, 1), mode="reflect")
        return F.conv2d(mirrored, self.taps.expand(channels, 1, 3, 3), stride=self.stride, groups=channels)


class FeatureCollector(list[Tensor]):
    """List of the features computed in a forward pass, at most `limit` of them (None: all)."""

    def __init__(self, limit: int | None = None) -> None:
        super().__init__()
        self.limit = limit

    def collect(self, x: Tensor) -> bool:
        """Append `x`; return True if the limit is reached, so that the network can stop."""
        self.append(x)
        return len(self) == self.limit


class EarlyExit(Exception):
    """Stops a forward pass once a `FeatureCollector` has reached its limit."""


class FeatureModule(nn.Module, ABC):
    """Network with branches or skip connections that can also return its intermediate features.

    Subclasses implement `forward_collecting`; `forward` calls it without a collector.
    """

    @abstractmethod
    def forward_collecting(self, x: Tensor, collector: FeatureCollector | None) -> Tensor:
        """Compute the output for `x`, and append the intermediate features to `collector` unless it is None."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the output of `forward_collecting`."""
        return self.forward_collecting(x, None)


def forward_collecting(net: nn.Module, x: Tensor, collector: FeatureCollector | None) -> Tensor:
    """Compute `net(x)`, and append the outputs of activations and residual blocks to `collector`, in order.

    Raises `EarlyExit` when `collector` has reached its limit.
    """
    if collector is None:
        y: Tensor = net(x)
    elif isinstance(net, FeatureModule):
        y = net.forward_collecting(x, collector)
    elif isinstance(net, nn.Sequential):
        y = x
        for layer in net:
            y = forward_collecting(layer, y, collector)
    else:
        y = net(x)
        if isinstance(net, nn.ReLU | nn.LeakyReLU | ResidualBlock) and collector.collect(y):
            raise EarlyExit
    return y


class ResidualBlock(nn.Module):
    """Residual block of CycleGAN: `x + norm(conv(relu(norm(conv(x)))))`, 3 x 3 (Johnson et al. 2016)."""

    def __init__(self, channels: int, kind: Norm, padding: Padding = "reflect") -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv(channels, channels, 3, padding),
            norm(kind, channels),
            nn.ReLU(inplace=True),
            conv(channels, channels, 3, padding),
            norm(kind, channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        y: Tensor = x + self.body(x)
        return y


def init_normal(net: nn.Module, std: float = 0.02) -> nn.Module:
    """Initialize as DCGAN: convolution weights N(0, std), batch norm weights N(1, std), biases zero. Return `net`."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, std)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, std)
    return net


def zero_init(layer: nn.Module) -> nn.Module:
    """Set the weights and biases of `layer` to zero, so that a residual branch starts at zero. Return `layer`."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


class EvalClamp(nn.Module):
    """Clamp to [-1, 1] in eval mode; return the input unchanged in training mode.

    It replaces a final tanh. Where a tanh saturates, its gradient vanishes, and a short run may not recover from that.
    Here the discriminator sees values outside the range and pushes them back.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        if self.training:
            return x
        clamped: Tensor = StraightThroughClamp.apply(x) if x.requires_grad else x.clamp(-1, 1)  # type: ignore[no-untyped-call]
        return clamped


class StraightThroughClamp(torch.autograd.Function):
    """Clamp to [-1, 1] with the gradient of the identity, so that optimizing an input can leave the clamped range."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ARG004 - autograd's signature
        """Clamp a tensor of any shape to [-1, 1]."""
        return x.clamp(-1, 1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ARG004
        """Return the gradient unchanged."""
        return gradient


class ImageResidual(FeatureModule):
    """Add a learned residual to the input image: `x + 2 net(x)`.

    Structure and colors thus survive from the first step. The factor 2 allows any output in [-1, 1] for any input, even
    if `net` ends in tanh. In training mode the output is not clamped, so that the gradient does not vanish at the
    limits.
    """

    def __init__(self, net: nn.Module, channels: int) -> None:
        super().__init__()
        self.net = net
        self.channels = channels

    def forward_collecting(self, x: Tensor, collector: FeatureCollector | None) -> Tensor:
        """(B, C or more, H, W) in [-1, 1] -> (B, C, H, W), clamped to [-1, 1] in eval mode.

        The residual is added to the first C channels; the others, such as label maps, are input only.
        """
        y = x[:, : self.channels] + 2 * forward_collecting(self.net, x, collector)
        return y if self.training else y.clamp(-1, 1)


def is_batch_independent(net: nn.Module) -> bool:
    """Return whether `net` processes the items of a batch independently, that is, contains no batch norm."""
    return not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in net.modules())


class Role(nn.Sequential):
    """One network of a method, such as a generator: its layers in order.

    If `is_batch_independent` is True, several batches may be concatenated for one forward pass.
    """

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__(*layers)
        self.is_batch_independent = is_batch_independent(self)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the output of the last layer."""
        for layer in self:
            x = layer(x)
        return x

    def extract_features(self, x: Tensor, limit: int | None = None) -> list[Tensor]:
        """Return the outputs of all activations and residual blocks for `x` (B, C, H, W), or the first `limit`.

        The forward pass stops after the last requested feature. Losses on features of discriminators or encoders use
        this.
        """
        collector = FeatureCollector(limit)
        with suppress(EarlyExit):
            forward_collecting(self, x, collector)
        return collector

    def forward_with_features(self, *batches: Tensor) -> list[tuple[Tensor, list[Tensor]]]:
        """Return the output and all features for each batch (B, C, H, W), using the same random draw for every batch.

        Equal batches therefore have equal features, even if the role contains an augmentation.
        """
        results: list[tuple[Tensor, list[Tensor]]] = []
        for i, x in enumerate(batches):
            with fork_rng(x.device) if i + 1 < len(batches) else nullcontext():
                collector = FeatureCollector()
                results.append((forward_collecting(self, x, collector), collector))
        return results
