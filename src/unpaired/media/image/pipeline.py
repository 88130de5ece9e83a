"""Pictures through a model on one way: files, Pillow images, arrays and tensors in, of the same kind and size out."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from unpaired.config.run_config import RunConfig
from unpaired.data.domain import Domain
from unpaired.errors import UnreadableFileError, UsageError, WorkError
from unpaired.media import Medium, require_medium
from unpaired.media.image.array_io import (
    MAX_VALUES,
    Array,
    convert_array_to_image,
    convert_array_to_pil,
    convert_pil_to_array,
    convert_pixels_to_array,
)
from unpaired.media.image.image_io import (
    DecodedImage,
    FloatArray,
    from_tensor,
    read_header,
    read_image,
    remove_white,
    to_tensor,
    write_image,
)
from unpaired.media.image.settings import (
    WRITTEN_FORMATS,
    ImageTranslateOptions,
    Range,
    image_settings,
    image_statistics,
)
from unpaired.media.image.size_adapter import MAX_NETWORK_PIXELS, SizeAdapter, apply_tiled, create_size_adapter
from unpaired.methods.base import Method
from unpaired.methods.capabilities import LabelConditionedMethod
from unpaired.translate.label_request import LabelVector
from unpaired.translate.route_request import TranslationRequest

MAX_CLIPPED_FRACTION = 1e-3
"""A larger part of a picture's values beyond the range of training is worth telling."""


@dataclass(frozen=True, eq=False)
class PreparedImage:
    """A picture on its way: what the networks take `(C, *frame.outer)`, and what the result keeps of the input.

    `label` (L,) is what a method that is told by labels is to make of it, NaN for what stays; else None.
    `losses` says what of its file is not in it.
    """

    tensor: Tensor
    adapter: SizeAdapter
    alpha: FloatArray | None
    is_color: bool
    bits: int
    label: LabelVector | None = None
    losses: tuple[str, ...] = ()

    @property
    def batch_key(self) -> tuple[object, ...]:
        """What pictures that are translated together have in common."""
        return self.adapter.padded_size, str(self.label)

    @property
    def memory_cost(self) -> int:
        """Its pixels."""
        return self.adapter.padded_size[0] * self.adapter.padded_size[1]


class ImagePipeline:
    """The craft of pictures. Those of more than 8 bits are computed in full float32, others in what the device takes
    for it (TF32).

    Networks see pictures with their shorter side `size`, without `shrink` only enlarged to it; None: as they are.
    """

    max_waiting_cost = MAX_NETWORK_PIXELS

    def __init__(self, config: RunConfig, method: Method, device: torch.device, request: TranslationRequest) -> None:
        assert isinstance(request.options, ImageTranslateOptions)
        self.medium: Medium = config.get_medium()
        self.method, self.device, self.request, self.options = method, device, request, request.options
        if request.is_source_ambiguous and self.options.source_range is None:
            _require_equal_ranges(config, method, request)
        settings = image_settings(config)
        self.channels = settings.num_channels
        self.target_has_color = image_statistics(request.target).color and self.channels == 3
        self.size = settings.size if self.options.scale == "trained" else None
        self.shrink = settings.resize_mode == "scale"

    def get_result_settings(self) -> list[object]:
        """Colour, framing and ranges."""
        options = self.options
        value_ranges = [options.source_range, options.target_range]
        return [self.channels, self.target_has_color, self.size, self.shrink, options.mode, value_ranges]

    def make_output_name(self, name: str) -> str:
        """The same name; pictures of a kind that is not written become PNG files, as `a.gif.png`."""
        return name if Path(name).suffix.lower() in WRITTEN_FORMATS else f"{name}.png"

    def estimate_bytes(self, path: Path) -> int:
        """Return the bytes of a picture's float32 pixels, by its header; 0 where it has none to read."""
        try:
            header = read_header(path)
        except UnreadableFileError:
            return 0
        return 4 * header.width * header.height * (3 if header.is_color else 1)

    def prepare_file(self, path: Path) -> PreparedImage:
        """Read a picture for `run`; raises UnreadableFile."""
        header = read_header(path)
        image = read_image(path, self.size if self.shrink else None)
        item = self.prepare_image(image, header.is_color, image.full_size)
        item = replace(item, losses=(*header.losses, *item.losses))
        label_request = self.request.label_request
        return item if label_request is None else replace(item, label=label_request.get_target_label(path))

    def prepare_image(
        self, image: DecodedImage, holds_color: bool, size: tuple[int, int] | None = None
    ) -> PreparedImage:
        """Make a picture ready for `run`; `size` is the result's height and width where the picture came smaller."""
        height, width = size or image.pixels.shape[:2]
        adapter = create_size_adapter(height, width, self.size, self.shrink, self.method.stride)
        low, high = self._get_source_range(image)
        x = to_tensor(image, self.channels, low, high)
        is_color = holds_color if self.options.mode == "input" else self.target_has_color
        clipped = describe_clipping(image, low, high)
        x = adapter.adapt_input(x[None])[0]
        return PreparedImage(x, adapter, image.alpha, is_color, image.bits, self._label, (clipped,) if clipped else ())

    def list_warnings(self, prepared_item: PreparedImage) -> list[str]:
        """How the networks' frame shows in the result, and what of the file is not in it."""
        losses = [f"of some files, {loss}" for loss in prepared_item.losses]
        return self._list_size_warnings(prepared_item.adapter) + losses

    def run(self, batch: Sequence[PreparedImage]) -> list[Tensor]:
        """Translate pictures that are `alike` together; returns (C, *frame.outer) in [-1, 1] each, on the CPU."""
        full_precision = any(item.bits > 8 for item in batch)
        return list(self._apply_network(torch.stack([item.tensor for item in batch]), full_precision, batch[0].label))

    def restore_pixels(self, item: PreparedImage, y: Tensor, bits: int) -> FloatArray:
        """Raw values (H, W, 1 or 3) of the result at the input's size, for `bits` per channel. Safe in threads."""
        y = item.adapter.restore_output(y[None])[0]
        if item.alpha is not None:
            y = remove_white(y, item.alpha)
        low, high = get_value_range(self.options.target_range, self.request.target, bits)
        if bits < 32 and not (low >= 0 and high <= MAX_VALUES[bits]):
            raise UsageError(
                f"--target-range {low:g},{high:g}: a picture of {bits} bits holds 0 to {MAX_VALUES[bits]:g}; give a "
                "range within that, or inputs of more bits"
            )
        return from_tensor(y, low, high, item.is_color)

    def write(self, output: Path, prepared_item: PreparedImage, result: Tensor) -> tuple[str, ...]:
        """With the input's bits where the suffix holds them."""
        bits = get_output_bits(output.suffix, prepared_item)
        write_image(output, self.restore_pixels(prepared_item, result, bits), prepared_item.alpha, bits)
        return ()

    def translate_object(self, x: Any, sample_rate_hz: int | None = None) -> Image.Image | Array | Tensor:
        """A picture in memory, or a file of one (see `Translator`)."""
        if sample_rate_hz is not None:
            raise UsageError("a sample rate belongs to recordings, but this run translates pictures")
        if isinstance(x, Tensor):
            return self._translate_tensor(x)
        if isinstance(x, np.ndarray):
            return self._translate_array(x)
        if isinstance(x, Image.Image):
            image = convert_array_to_image(convert_pil_to_array(x))
            item = self.prepare_image(image, image.has_color)
        else:
            require_medium(Path(x), self.medium)
            item = self.prepare_file(Path(x))
        can_keep_bits = not item.is_color and item.alpha is None
        return convert_array_to_pil(self._translate_single(item, item.bits if can_keep_bits else 8))

    @property
    def _label(self) -> LabelVector | None:
        return None if self.request.label_request is None else self.request.label_request.label

    def _get_source_range(self, image: DecodedImage) -> Range:
        """The raw values of `picture` that become -1 and 1; raises UsageError where they cannot be known."""
        requested_range, source = self.options.source_range, self.request.source
        source_bits = image_statistics(source).bits
        if image.bits == 32:
            finite_values = image.pixels[np.isfinite(image.pixels)]
            if not finite_values.size:
                raise UsageError("a picture without one finite value; expected numbers")
            if requested_range is None and source_bits != 32 and (finite_values.min() < 0 or finite_values.max() > 1):
                raise UsageError(
                    f"its values go from {finite_values.min():g} to {finite_values.max():g}, but '{source.name}' was "
                    f"learned from {source_bits}-bit pictures; expected 0 to 1, or the values of black and white "
                    "(--source-range LOW,HIGH)"
                )
        return get_value_range(requested_range, source, image.bits)

    def _translate_single(self, item: PreparedImage, bits: int) -> Array:
        _emit_warnings(self._list_size_warnings(item.adapter))
        (y,) = self.run([item])
        return convert_pixels_to_array(self.restore_pixels(item, y, bits), item.alpha, bits)

    def _translate_array(self, array: Array) -> Array:
        image = convert_array_to_image(array)
        out = self._translate_single(self.prepare_image(image, image.has_color), image.bits).astype(
            array.dtype, copy=False
        )
        return out[..., 0] if array.ndim == 2 and out.shape[2] == 1 else out

    def _translate_tensor(self, x: Tensor) -> Tensor:
        channels = self.channels
        if x.ndim not in (3, 4) or x.shape[-3] != channels or 0 in x.shape or not x.is_floating_point():
            raise UsageError(
                f"a tensor of shape {tuple(x.shape)} and {x.dtype}; expected floating point "
                f"({channels}, H, W) or (B, {channels}, H, W)"
            )
        low, high = x.min().item(), x.max().item()
        if not -1.01 <= low <= high <= 1.01:
            raise UsageError(f"a tensor with values from {low:g} to {high:g}; expected -1 to 1")
        adapter = create_size_adapter(x.shape[-2], x.shape[-1], self.size, self.shrink, self.method.stride)
        _emit_warnings(self._list_size_warnings(adapter))
        batch = x.detach().float().reshape(-1, *x.shape[-3:])
        return (
            adapter.restore_output(self._apply_network(adapter.adapt_input(batch), True, self._label))
            .to(x.dtype)
            .reshape(x.shape)
        )

    def _apply_network(self, x: Tensor, full_precision: bool, label: LabelVector | None) -> Tensor:
        """(B, C, H, W) of network shape -> the same, where `x` is; few enough at once for their pixels to fit."""
        max_images = max(1, MAX_NETWORK_PIXELS // (x.shape[-2] * x.shape[-1]))
        with torch.no_grad(), _disable_tf32(self.device) if full_precision else nullcontext():
            return torch.cat([self._apply_within_memory(part, label) for part in x.split(max_images)])

    def _apply_within_memory(self, x: Tensor, label: LabelVector | None) -> Tensor:
        """The batch through the method, in halves where the device's memory does not hold it."""

        def net(part: Tensor) -> Tensor:
            part = part.to(self.device)
            if label is not None and isinstance(self.method, LabelConditionedMethod):
                return self.method.translate_to_labels(part, torch.tensor(label)).float()
            return self.method.translate(part, self.request.route.source, self.request.route.target).float()

        try:
            return apply_tiled(net, x, self.method.stride, MAX_NETWORK_PIXELS).to(x.device)
        except torch.OutOfMemoryError as error:
            if len(x) == 1:
                raise WorkError(
                    f"{self.device} has too little memory for {x.shape[-1]} x {x.shape[-2]} pixels; --device cpu takes "
                    "main memory, --scale trained (where the run was framed so) smaller pictures"
                ) from error
        return torch.cat([self._apply_within_memory(part, label) for part in x.split((len(x) + 1) // 2)])

    def _list_size_warnings(self, adapter: SizeAdapter) -> list[str]:
        warning_texts = []
        if adapter.upscale_factor > 2:
            warning_texts.append(
                f"the networks see pictures at the {self.size} px that they learned, so larger results are enlarged "
                "(some more than twofold) and look soft; --scale native translates pictures at their own scale"
            )
        if adapter.padded_size[0] * adapter.padded_size[1] > MAX_NETWORK_PIXELS:
            warning_texts.append(
                "pictures too large for the networks at once are translated in overlapping tiles, which may differ a "
                "little in contrast"
            )
        return warning_texts


def _require_equal_ranges(config: RunConfig, method: Method, request: TranslationRequest) -> None:
    """Raise UsageError where values mean other things in the domains that the inputs may be of."""
    sources = [config.get_domain(r.source) for r in method.routes if r.target == request.route.target]
    if len({(s.bits, s.low, s.high) for s in map(image_statistics, sources)}) > 1:
        names = " or ".join(domain.name for domain in sources)
        raise UsageError(f"the domains have values of different ranges; say of which the inputs are: --from {names}")


def get_output_bits(suffix: str, prepared_item: PreparedImage) -> int:
    """Bits of a result: the input's where files of `suffix` hold them with its colour and alpha, else 8."""
    is_tiff = suffix.lower() in (".tif", ".tiff")
    is_gray_png = (
        suffix.lower() == ".png"
        and prepared_item.bits == 16
        and not prepared_item.is_color
        and prepared_item.alpha is None
    )
    return prepared_item.bits if is_tiff or is_gray_png else 8


def get_value_range(requested_range: Range | None, domain: Domain, bits: int) -> Range:
    """The override; else the domain's own range where the bits are its own; else all of the bits' range."""
    if requested_range is not None:
        return requested_range
    statistics = image_statistics(domain)
    return (statistics.low, statistics.high) if bits == statistics.bits else (0.0, MAX_VALUES[bits])


def describe_clipping(image: DecodedImage, low: float, high: float) -> str:
    """Say that values of a picture of more than 8 bits are beyond the range that the networks see; else empty."""
    if image.bits == 8:
        return ""
    is_beyond = (image.pixels < low) | (image.pixels > high)
    if is_beyond.mean() <= MAX_CLIPPED_FRACTION:
        return ""
    bounds = f"{low:g} to {high:g}, the range of training"
    return f"raw values beyond {bounds}, are clipped to it (--source-range LOW,HIGH sets it)"


def _emit_warnings(warning_texts: list[str]) -> None:
    for text in warning_texts:
        warnings.warn(text, stacklevel=5)


def _disable_tf32(device: torch.device) -> AbstractContextManager[Any]:
    """Full float32: convolutions on CUDA otherwise take TF32, whose 10 bits would be seen in 16-bit pictures."""
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False) if device.type == "cuda" else nullcontext()
