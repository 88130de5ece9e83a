"""Layers that the networks share. Every norm here but batch norm treats the items of a batch independently."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import nullcontext, suppress
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unpaired.config.settings import Norm, Padding


class NonAffineGroupNorm(nn.Module):
    """Group norm without affine parameters; `groups == channels` is instance norm.

    As group norm because `nn.InstanceNorm2d` gives wrong gradients for channels_last input on a CPU in torch 2.13 (and
    is slower); the same numbers otherwise.
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape, each group of channels of each item with mean 0 and variance 1."""
        return F.group_norm(x, self.groups)


def norm(kind: Norm, channels: int) -> nn.Module:
    """Instance norm is CycleGAN's (no affine parameters) or affine; group norm is affine, 16 channels a group.

    Batch norm is affine too, and keeps running statistics of what it saw in training, which it uses in eval.
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
    """The kind, an instance norm with affine parameters."""
    return "instance-affine" if kind == "instance" else kind


def conv(inputs: int, outputs: int, kernel: int, padding: Padding = "reflect", stride: int = 1) -> nn.Conv2d:
    """A convolution that keeps the size (stride 1) or halves it (stride 2)."""
    return nn.Conv2d(inputs, outputs, kernel, stride, (kernel - 1) // 2, padding_mode=padding)


class FeatureCollector(list[Tensor]):
    """The features met on the way through a network, at most `most` of them (None: all)."""

    def __init__(self, limit: int | None = None) -> None:
        super().__init__()
        self.limit = limit

    def collect(self, x: Tensor) -> bool:
        """Keep `x`; returns whether that was the last one wanted, so that the network may stop there."""
        self.append(x)
        return len(self) == self.limit


class EarlyExit(Exception):
    """Raised to leave a network once the features that were wanted are kept."""


class FeatureModule(nn.Module, ABC):
    """A network of branches or skips, which tells what goes on inside; `forward` is its trace with nothing kept."""

    @abstractmethod
    def forward_collecting(self, x: Tensor, collector: FeatureCollector | None) -> Tensor:
        """What `forward` gives; the features met on the way are kept."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> what `trace` gives."""
        return self.forward_collecting(x, None)


def forward_collecting(net: nn.Module, x: Tensor, collector: FeatureCollector | None) -> Tensor:
    """`net(x)`; what activations and residual blocks give is kept, in order. Raises Enough where `kept` is full."""
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
    """`x + norm(conv(relu(norm(conv(x)))))`, 3 x 3 (Johnson et al. 2016, as CycleGAN uses it)."""

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
    """Weights of convolutions from N(0, deviation), of batch norm from N(1, deviation), biases zero: DCGAN's start."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, std)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, std)
    return net


def zero_init(layer: nn.Module) -> nn.Module:
    """The layer with weights and biases of zero: what it is to add is nothing, until it learns."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


class EvalClamp(nn.Module):
    """Clamps to [-1, 1] in eval and passes everything while training.

    Where a tanh saturates, the gradient dies, and one bad moment of a short run can end a generator for good; here the
    critic sees values out of range and draws them back.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        if self.training:
            return x
        clamped: Tensor = StraightThroughClamp.apply(x) if x.requires_grad else x.clamp(-1, 1)  # type: ignore[no-untyped-call]
        return clamped


class StraightThroughClamp(torch.autograd.Function):
    """Clamps to [-1, 1], with the gradient of the identity: a search for an input is not stuck where it clamps."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ARG004 - autograd's signature
        """Any shape -> the same."""
        return x.clamp(-1, 1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ARG004
        """As it comes."""
        return gradient


class ImageResidual(FeatureModule):
    """The input plus a learned change: structure and colours survive from the first step.

    `x + 2 net(x)` can reach any value in [-1, 1] from any other, also where `net` ends in tanh. It is not clamped while
    training, so that gradients never vanish at the borders.
    """

    def __init__(self, net: nn.Module, channels: int) -> None:
        super().__init__()
        self.net = net
        self.channels = channels

    def forward_collecting(self, x: Tensor, collector: FeatureCollector | None) -> Tensor:
        """(B, C or more, H, W) in [-1, 1] -> (B, C, H, W) in [-1, 1]; the change is to the first C channels."""
        y = x[:, : self.channels] + 2 * forward_collecting(self.net, x, collector)
        return y if self.training else y.clamp(-1, 1)


def is_batch_independent(net: nn.Module) -> bool:
    """Whether the items of a batch pass through `net` without seeing each other (no batch norm in it)."""
    return not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in net.modules())


def count_parameters(net: nn.Module) -> int:
    """The number of parameters, shared ones once."""
    return sum(p.numel() for p in net.parameters())


class Role(nn.Sequential):
    """A role: layers in order. `per_item` says that its items are independent, so batches may be joined."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__(*layers)
        self.is_batch_independent = is_batch_independent(self)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> what the last layer gives."""
        for layer in self:
            x = layer(x)
        return x

    def extract_features(self, x: Tensor, limit: int | None = None) -> list[Tensor]:
        """(B, C, H, W) -> what each activation and residual block gives, in order; the first `most` of them.

        The network is left after the last one wanted. For terms that compare what critics or encoders see inside.
        """
        collector = FeatureCollector(limit)
        with suppress(EarlyExit):
            forward_collecting(self, x, collector)
        return collector

    def forward_with_features(self, *batches: Tensor) -> list[tuple[Tensor, list[Tensor]]]:
        """Of each batch (B, C, H, W) what `forward` gives, and all `features`; all are seen through one random draw.

        So equal batches have equal features, also where an augmentation is part of the role.
        """
        results: list[tuple[Tensor, list[Tensor]]] = []
        for i, x in enumerate(batches):
            gpus = [x.device] if x.is_cuda else []
            with torch.random.fork_rng(devices=gpus) if i + 1 < len(batches) else nullcontext():
                collector = FeatureCollector()
                results.append((forward_collecting(self, x, collector), collector))
        return results
