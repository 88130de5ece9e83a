"""Readers of digits: plain classifiers, and a teacher that learned under many distortions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.digits_data import SIZE
from unpaired.runs.weights import read_tensors, write_tensors

Digits = tuple[Tensor, Tensor]
"""Images (N, 1, 32, 32) in [-1, 1] and labels (N,)."""
BATCH, STEPS = 128, 1400
"""Three epochs of 60,000 digits, whatever their number, so that all classifiers learn alike."""
TEACHER_STEPS = 3000


def network() -> nn.Module:
    """The classifier: two convolutions, two layers."""
    return nn.Sequential(
        *(nn.Conv2d(1, 32, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(64 * (SIZE // 4) ** 2, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10)),
    )


def learned(
    digits: Digits,
    seed: int,
    kept: Path | None = None,
    steps: int | None = None,
    seen: Callable[[Tensor], Tensor] = lambda x: x,
) -> nn.Module:
    """A classifier of `digits` as they are `seen`; read from `kept` where it is there already."""
    images, labels = digits
    torch.manual_seed(seed)
    net, steps = network(), steps or STEPS
    if kept is not None and kept.exists():
        net.load_state_dict(read_tensors(kept)[0])
        return net.eval()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 1e-3 * (1 - step / steps)
        chosen = torch.randint(len(images), (BATCH,))
        optimizer.zero_grad()
        F.cross_entropy(net(seen(images[chosen])), labels[chosen]).backward()
        optimizer.step()
    if kept is not None:
        write_tensors(kept, net.state_dict(), {})
    return net.eval()


@torch.no_grad()
def accuracy(net: nn.Module, digits: Digits) -> float:
    """The share in percent that `net` reads rightly."""
    right = [(net(x).argmax(1) == y) for x, y in zip(digits[0].split(500), digits[1].split(500), strict=True)]
    return round(100 * torch.cat(right).double().mean().item(), 2)


class Teacher(nn.Module):
    """What a translation is to keep: the log shares that a classifier gives the ten digits, as a map of one pixel.

    It is the pretrained network of `dtn-baseline`, `dtn` and `xgan`. With it the source's labels are used, as in the
    literature's rows; what it reads of the target without any translation is a figure of its own.
    """

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, 32, 32) in [-1, 1] -> (B, 10, 1, 1)."""
        said: Tensor = self.classifier(x.mean(1, keepdim=True))
        return said.log_softmax(1)[:, :, None, None]


def varied(x: Tensor) -> Tensor:
    """Digits (B, 1, H, W) in [-1, 1], turned, sheared, stretched, moved, made thicker or thinner, softer, brighter."""
    count, ink = len(x), x + 1
    turn, shear, move = evenly(count, 0.25), evenly(count, 0.3), evenly(count, 0.15, 2)
    zoom = (evenly(count, 0.45, 2) + evenly(count, 0.15, 1)).exp()
    cos, sin = turn.cos(), turn.sin()
    above = torch.cat((cos * zoom[:, :1], shear - sin * zoom[:, 1:], move[:, :1]), 1)
    below = torch.cat((sin * zoom[:, :1], cos * zoom[:, 1:], move[:, 1:]), 1)
    grid = F.affine_grid(torch.stack((above, below), 1), list(x.shape), align_corners=False)
    ink = F.grid_sample(ink, grid, align_corners=False)
    width, soft = torch.rand(count, 1, 1, 1), torch.rand(count, 1, 1, 1)
    ink = torch.where(
        width < 0.25, F.max_pool2d(ink, 3, 1, 1), torch.where(width > 0.85, -F.max_pool2d(-ink, 3, 1, 1), ink)
    )
    ink = torch.where(soft < 0.4, (1 - 2 * soft) * ink + 2 * soft * F.avg_pool2d(ink, 5, 1, 2), ink)
    gain = (0.8 * (torch.rand(count, 1, 1, 1) - 0.3)).exp()
    return (ink * gain).clamp(0, 2) - 1


def evenly(count: int, most: float, columns: int = 1) -> Tensor:
    """(count, columns) drawn evenly from [-most, most]."""
    return (2 * torch.rand(count, columns) - 1) * most


def teacher(digits: Digits, seed: int, kept: Path | None = None) -> Teacher:
    """A teacher that learned from `digits`, distorted; read from `kept` where it is there already."""
    return Teacher(learned(digits, seed, kept, TEACHER_STEPS, varied))
