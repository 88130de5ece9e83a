"""Reference ResNet generators of CycleGAN and CUT, with the tensor names of the authors' files."""

from __future__ import annotations

from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Kind = Literal["instance", "affine", "batch", "none"]


class Down(nn.Module):
    """Downsampling by 2 after a blur with (1, 2, 1), with reflected borders."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        row = torch.tensor([1.0, 2.0, 1.0])
        self.register_buffer("filt", (torch.outer(row, row) / 16).repeat(channels, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(nn.ReflectionPad2d(1)(x), self.filt, stride=2, groups=len(self.filt))  # type: ignore[arg-type]


class Up(nn.Module):
    """Upsampling by 2: zeros between pixels, a blur with (1, 3, 3, 1) with replicated borders, and a crop."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        row = torch.tensor([1.0, 3.0, 3.0, 1.0])
        self.register_buffer("filt", (torch.outer(row, row) * 4 / 64).repeat(channels, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        wide = nn.ReplicationPad2d(1)(x)
        y = F.conv_transpose2d(wide, self.filt, stride=2, padding=2, groups=len(self.filt))  # type: ignore[arg-type]
        return y[..., 1:-1, 1:-1]


class Block(nn.Module):
    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.conv_block(x)
        return y


class Reference(nn.Module):
    """ResNet generator; `old` pads with zeros in the convolutions, `tracked` saves statistics of instance norm."""

    def __init__(
        self,
        inputs: int = 3,
        outputs: int = 3,
        ngf: int = 4,
        blocks: int = 2,
        norm: Kind = "instance",
        bias: bool | None = None,
        dropout: bool = False,
        down: bool = False,
        up: bool = False,
        old: bool = False,
        tracked: bool = False,
    ) -> None:
        super().__init__()
        biased = norm in ("instance", "affine") if bias is None else bias

        def normed(channels: int) -> list[nn.Module]:
            if norm == "none":
                return [nn.Identity(), nn.ReLU()]
            if norm == "batch":
                return [nn.BatchNorm2d(channels), nn.ReLU()]
            return [nn.InstanceNorm2d(channels, affine=norm == "affine"), nn.ReLU()]

        conv = partial(nn.Conv2d, bias=biased)
        edge: list[nn.Module] = [] if old else [nn.ReflectionPad2d(3)]
        seven = 3 if old else 0
        layers = [*edge, conv(inputs, ngf, 7, padding=seven), *normed(ngf)]
        for w in (ngf, 2 * ngf):
            layers += [conv(w, 2 * w, 3, stride=1 if down else 2, padding=1), *normed(2 * w)]
            layers += [Down(2 * w)] if down else []
        w = 4 * ngf
        for _ in range(blocks):
            inner: list[nn.Module] = [] if old else [nn.ReflectionPad2d(1)]
            first = [*inner, conv(w, w, 3, padding=int(old)), *normed(w), *([nn.Dropout(0.5)] if dropout else [])]
            layers.append(Block([*first, *inner, conv(w, w, 3, padding=int(old)), *normed(w)[:1]]))
        for w in (4 * ngf, 2 * ngf):
            if up:
                layers += [Up(w), conv(w, w // 2, 3, padding=1)]
            else:
                layers += [nn.ConvTranspose2d(w, w // 2, 3, 2, 1, output_padding=1, bias=biased)]
            layers += normed(w // 2)
        self.model = nn.Sequential(*layers, *edge, nn.Conv2d(ngf, outputs, 7, padding=seven), nn.Tanh())
        self.tracked = tracked

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.model(x)
        return y

    def saved(self, prefix: str = "") -> dict[str, Tensor]:
        """Return the state dict in the format of the authors' code."""
        state = dict(self.state_dict())
        if self.tracked:
            for name, part in self.named_modules():
                if isinstance(part, nn.InstanceNorm2d):
                    state[f"{name}.running_mean"] = torch.randn(part.num_features)
                    state[f"{name}.running_var"] = torch.rand(part.num_features)
                    state[f"{name}.num_batches_tracked"] = torch.tensor(7)
        return {prefix + name: tensor for name, tensor in state.items()}


def randomize(net: Reference) -> Reference:
    """Randomize weights and statistics, so that a missing or misplaced tensor changes the output."""
    torch.manual_seed(3)
    with torch.no_grad():
        for name, tensor in [*net.named_parameters(), *net.named_buffers()]:
            if name.endswith(("filt", "num_batches_tracked")):
                continue
            if name.endswith("running_var") or (tensor.ndim == 1 and name.endswith("weight")):
                tensor.uniform_(0.5, 1.5)
            else:
                tensor.normal_(0, 0.3 if tensor.ndim == 1 else (2 / tensor[0].numel()) ** 0.5)
    return net.eval()
