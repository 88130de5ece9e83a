"""Digit classifiers: plain ones, and a teacher trained with strong augmentation."""

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
"""Batch size and steps: three epochs of 60,000 digits, the same for every training set."""
TEACHER_STEPS = 3000


def build_network() -> nn.Module:
    """Build a classifier (B, 1, 32, 32) -> logits (B, 10): two convolutions and two linear layers."""
    return nn.Sequential(
        *(nn.Conv2d(1, 32, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(64 * (SIZE // 4) ** 2, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10)),
    )


def train_classifier(
    digits: Digits,
    seed: int,
    cache: Path | None = None,
    steps: int | None = None,
    augment: Callable[[Tensor], Tensor] = lambda x: x,
) -> nn.Module:
    """Train a classifier on digits transformed by `augment`; load it from `cache` if that file exists."""
    images, labels = digits
    torch.manual_seed(seed)
    net, steps = build_network(), steps or STEPS
    if cache is not None and cache.exists():
        net.load_state_dict(read_tensors(cache)[0])
        return net.eval()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 1e-3 * (1 - step / steps)
        indices = torch.randint(len(images), (BATCH,))
        optimizer.zero_grad()
        F.cross_entropy(net(augment(images[indices])), labels[indices]).backward()
        optimizer.step()
    if cache is not None:
        write_tensors(cache, net.state_dict(), {})
    return net.eval()


@torch.no_grad()
def accuracy(net: nn.Module, digits: Digits) -> float:
    """Return the accuracy of `net` in percent."""
    correct = [(net(x).argmax(1) == y) for x, y in zip(digits[0].split(500), digits[1].split(500), strict=True)]
    return round(100 * torch.cat(correct).double().mean().item(), 2)


class Teacher(nn.Module):
    """Log-probabilities of the ten digits as a feature map of one pixel, which translations should preserve.

    The pretrained network of `dtn-baseline`, `dtn` and `xgan`. Runs with it use the source's labels, as the papers of
    these methods do.
    """

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, x: Tensor) -> Tensor:
        """Compute log-probabilities (B, 10, 1, 1) of images (B, 3, 32, 32) in [-1, 1]."""
        logits: Tensor = self.classifier(x.mean(1, keepdim=True))
        return logits.log_softmax(1)[:, :, None, None]


def distort(x: Tensor) -> Tensor:
    """Rotate, shear, scale, shift, thicken or thin, blur and brighten digits (B, 1, H, W) in [-1, 1] at random."""
    count, ink = len(x), x + 1
    turn, shear, move = draw_uniform(count, 0.25), draw_uniform(count, 0.3), draw_uniform(count, 0.15, 2)
    zoom = (draw_uniform(count, 0.45, 2) + draw_uniform(count, 0.15, 1)).exp()
    cos, sin = turn.cos(), turn.sin()
    row_x = torch.cat((cos * zoom[:, :1], shear - sin * zoom[:, 1:], move[:, :1]), 1)
    row_y = torch.cat((sin * zoom[:, :1], cos * zoom[:, 1:], move[:, 1:]), 1)
    grid = F.affine_grid(torch.stack((row_x, row_y), 1), list(x.shape), align_corners=False)
    ink = F.grid_sample(ink, grid, align_corners=False)
    width, soft = torch.rand(count, 1, 1, 1), torch.rand(count, 1, 1, 1)
    ink = torch.where(
        width < 0.25, F.max_pool2d(ink, 3, 1, 1), torch.where(width > 0.85, -F.max_pool2d(-ink, 3, 1, 1), ink)
    )
    ink = torch.where(soft < 0.4, (1 - 2 * soft) * ink + 2 * soft * F.avg_pool2d(ink, 5, 1, 2), ink)
    gain = (0.8 * (torch.rand(count, 1, 1, 1) - 0.3)).exp()
    return (ink * gain).clamp(0, 2) - 1


def draw_uniform(count: int, limit: float, columns: int = 1) -> Tensor:
    """Draw values (count, columns) uniformly from [-limit, limit]."""
    return (2 * torch.rand(count, columns) - 1) * limit


def train_teacher(digits: Digits, seed: int, cache: Path | None = None) -> Teacher:
    """Train a teacher on distorted digits; load it from `cache` if that file exists."""
    return Teacher(train_classifier(digits, seed, cache, TEACHER_STEPS, distort))
