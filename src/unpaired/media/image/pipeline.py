"""Translation of pictures by one route of a model: files, and objects in memory, at their size."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from unpaired.config.model_description import ModelDescription
from unpaired.console import FractionCallback, ignore_fraction
from unpaired.data.paths import ItemName, split_item_path
from unpaired.errors import UnreadableFileError, UsageError
from unpaired.media import Medium
from unpaired.media.image.array_io import Array, convert_pixels_to_array
from unpaired.media.image.carried_metadata import read_carried_metadata
from unpaired.media.image.dicom import Derivation
from unpaired.media.image.image_io import (
    DecodedImage,
    FloatArray,
    from_network_values,
    read_channels,
    read_header,
    remove_white,
    require_suffix,
    supports_bits,
    to_network_values,
    write_array,
)
from unpaired.media.image.large_image import LARGE_PIXELS, LargeImage
from unpaired.media.image.network_pass import MAX_NETWORK_PIXELS, create_network_pass
from unpaired.media.image.object_translation import translate_object
from unpaired.media.image.pixel_types import MAX_VALUES, choose_result_type
from unpaired.media.image.prepared_image import PreparedImage
from unpaired.media.image.settings import (
    WRITTEN_FORMATS,
    ImageTranslateOptions,
    image_settings,
    image_statistics,
)
from unpaired.media.image.size_adapter import SizeAdapter, create_size_adapter
from unpaired.media.image.stack_translation import PreparedStack, TranslatedStack, translate_stack, write_stack
from unpaired.media.image.stacks import list_item_names
from unpaired.media.image.suffixes import DICOM_SUFFIXES, SCAN_SUFFIXES, get_picture_suffix
from unpaired.media.image.translation_range import (
    describe_clipping,
    get_source_range,
    get_value_range,
    require_equal_ranges,
)
from unpaired.translate.network import LabelVector, TranslationNetwork
from unpaired.translate.pipeline import Destination
from unpaired.translate.route_request import TranslationRequest

if TYPE_CHECKING:
    from torch import Tensor


class ImagePipeline:
    """Translation pipeline for pictures, by the route and options of `request`.

    Before the networks, the shorter side of a picture is resized to `size` pixels, without `shrink` only if it is
    smaller; None: pictures are not resized. Pictures of more than 8 bits are computed in full float32, others may be
    computed in TF32. The module imports no torch, which `network` may need.
    """

    max_waiting_cost = MAX_NETWORK_PIXELS

    def __init__(self, config: ModelDescription, network: TranslationNetwork, request: TranslationRequest) -> None:
        assert isinstance(request.options, ImageTranslateOptions)
        self.medium: Medium = config.get_medium()
        self.network, self.request, self.options = network, request, request.options
        if request.is_source_ambiguous and self.options.source_range is None:
            routes = [route for route in network.routes if route.target == request.route.target]
            require_equal_ranges([config.get_domain(route.source) for route in routes])
        self.settings = settings = image_settings(config)
        self.channels, self.reads_all_bands = settings.num_channels, settings.reads_all_bands
        self.target_has_color = image_statistics(request.target).color and self.channels == 3
        self.size = settings.size if self.options.scale == "trained" else None
        self.shrink = settings.resize_mode == "scale"
        self.network_pass = create_network_pass(network, self.channels, request)
        self._derivation = self._describe_derivation(config)

    def _describe_derivation(self, config: ModelDescription) -> Derivation:
        """Describe the translation for files that record their origin."""
        request = self.request
        settings = [request.route.source, request.route.target, str(self.label), self.get_result_settings()]
        key = hashlib.sha256(f"{config.model_dump_json()}{settings}".encode()).hexdigest()
        low, high = get_value_range(self.options.target_range, request.target, image_statistics(request.target).bits)
        return Derivation(key, request.source.name, request.target.name, low, high)

    def get_result_settings(self) -> list[object]:
        """Return channels, color, resizing and value ranges."""
        options = self.options
        value_ranges = [options.source_range, options.target_range]
        tag = ["tag"] if options.tag else []
        return [self.channels, self.target_has_color, self.size, self.shrink, options.mode, value_ranges, *tag]

    def make_output_name(self, path: str) -> str:
        """Return the same name; formats that cannot be written become PNG, as `a.gif.png`."""
        name = os.path.basename(path)  # noqa: PTH119 - a Path per name is slow for a million files
        suffix = get_picture_suffix(name)
        return name if suffix in WRITTEN_FORMATS or suffix in SCAN_SUFFIXES else f"{name}.png"

    def estimate_bytes(self, path: Path) -> int:
        """Return the bytes of a picture's pixels while it is translated, by its header; 0 if that cannot be read."""
        try:
            header = read_header(path)
        except UnreadableFileError:
            return 0
        return (
            4 * header.width * header.height * (self.channels if self.reads_all_bands else 3 if header.is_color else 1)
        )

    def prepare_file(
        self,
        path: Path,
        destination: Destination | None = None,  # noqa: ARG002
    ) -> PreparedImage | PreparedStack:
        """Read a picture for `run`, or list those within a file; raises UnreadableFileError, UsageError."""
        output_suffix = get_picture_suffix(self.make_output_name(path.name))
        items: list[ItemName | None] = [*list_item_names(path, self.settings)]
        if not items and output_suffix not in DICOM_SUFFIXES:
            return self.prepare_picture(path, output_suffix)
        return PreparedStack(path, tuple(items or [None]), output_suffix, self.max_waiting_cost + 1, self._derivation)

    def prepare_picture(self, path: Path, output_suffix: str) -> PreparedImage:
        """Read a picture, which may be within a file, for `run`; raises UnreadableFileError, UsageError."""
        header = read_header(path, self.reads_all_bands)
        is_color = self.target_has_color and self.options.mode == "target"
        require_suffix(path, output_suffix, self.channels if self.reads_all_bands else 3 if is_color else 1)
        is_large = self.network_pass.as_tiled() is not None and header.width * header.height > LARGE_PIXELS
        image = read_channels(path, self.channels, self.size if self.shrink else None, keep_type=is_large)
        item = self.prepare_image(image, header.is_color, image.full_size, is_large)
        metadata = read_carried_metadata(path)
        item = replace(
            item,
            losses=(*header.losses, *item.losses),
            suffix=output_suffix,
            metadata=metadata.mark_synthetic() if self.options.tag else metadata,
        )
        label_request = self.request.label_request
        if label_request is None:
            return item
        return replace(item, label=label_request.get_target_label(split_item_path(path)[0]))

    def prepare_image(
        self, image: DecodedImage, has_color: bool, size: tuple[int, int] | None = None, is_large: bool = False
    ) -> PreparedImage:
        """Prepare a picture for `run`; `size` is the result's height and width if it was decoded at a smaller size."""
        height, width = size or image.pixels.shape[:2]
        adapter = create_size_adapter(height, width, self.size, self.shrink, self.network.stride)
        low, high = get_source_range(self.options.source_range, self.request.source, image)
        is_color = has_color if self.options.mode == "input" else self.target_has_color
        clipped = describe_clipping(image, low, high)
        losses = (clipped,) if clipped else ()
        x, large = None, None
        if is_large:
            large = LargeImage(image, low, high, self.channels)
        else:
            x = adapter.adapt_input(to_network_values(image, self.channels, low, high)[None])[0]
        label = self.label
        return PreparedImage(x, adapter, image.alpha, is_color, image.bits, label, losses, large, dtype=image.dtype)

    def list_warnings(self, prepared_item: PreparedImage | PreparedStack) -> list[str]:
        """Describe effects of the network size on the result, and parts of the file that are not used."""
        if isinstance(prepared_item, PreparedStack):
            return []
        losses = [f"of some files, {loss}" for loss in prepared_item.losses]
        tiles = self.network_pass.explain_tile(*prepared_item.adapter.padded_size)
        return [*self.list_size_warnings(prepared_item.adapter), *([tiles] if tiles else []), *losses]

    def run(
        self, batch: Sequence[PreparedImage | PreparedStack], report_fraction: FractionCallback = ignore_fraction
    ) -> list[Array | TranslatedStack]:
        """Translate pictures with equal `batch_key`, or a file with several; returns one result each.

        The result of a picture is (C, *adapter.padded_size) in [-1, 1], of a large one its raw values (H, W, C).
        """
        images = [item for item in batch if isinstance(item, PreparedImage)]
        if not images:
            return [translate_stack(s, self, report_fraction) for s in batch if isinstance(s, PreparedStack)]
        return [*self.run_networks(images, report_fraction)]

    def run_pictures(self, batch: Sequence[PreparedImage], report_fraction: FractionCallback) -> list[Array]:
        """Translate pictures with equal `batch_key` to raw values (H, W, C), alpha last."""
        results = zip(batch, self.run_networks(batch, report_fraction), strict=True)
        return [self._restore_result(item, result, item.suffix) for item, result in results]

    def run_networks(
        self, batch: Sequence[PreparedImage], report_fraction: FractionCallback = ignore_fraction
    ) -> list[Array]:
        """Translate pictures with equal `batch_key`: to (C, *padded_size) in [-1, 1], large ones to raw values."""
        if batch[0].large is not None:
            return [self.run_large(item, self.get_output_bits(item.suffix, item), report_fraction) for item in batch]
        full_precision = any(item.bits > 8 for item in batch)
        x = np.stack([item.values for item in batch if item.values is not None])
        return list(self.network_pass.apply(x, full_precision, batch[0].label, report_fraction))

    def run_large(self, item: PreparedImage, bits: int, report_fraction: FractionCallback = ignore_fraction) -> Array:
        """Translate a large picture to raw values (H, W, C) for `bits` per channel, alpha last."""
        from unpaired.media.image.large_translation import translate_large_image  # noqa: PLC0415 - imports torch

        tiled_pass = self.network_pass.as_tiled()
        assert item.large is not None and tiled_pass is not None

        def restore(y: FloatArray, alpha: FloatArray | None) -> Array:
            return self._restore_region(item, y, alpha, bits)

        return translate_large_image(item.large, item.adapter, tiled_pass, item.label, restore, report_fraction)

    def restore_array(self, item: PreparedImage, y: FloatArray, bits: int) -> Array:
        """Convert a result to raw values (H, W, C) at the input's size, alpha last. Thread-safe."""
        return self._restore_region(item, item.adapter.restore_output(y[None])[0], item.alpha, bits)

    def _restore_region(self, item: PreparedImage, y: FloatArray, alpha: FloatArray | None, bits: int) -> Array:
        """Convert a region of a result (C, h, w) in [-1, 1] to raw values (h, w, C) for `bits` per channel."""
        if alpha is not None:
            y = remove_white(y, alpha)
        low, high = get_value_range(self.options.target_range, self.request.target, bits)
        if bits < 32 and not (low >= 0 and high <= MAX_VALUES[bits]):
            raise UsageError(
                f"--target-range {low:g},{high:g}: a picture of {bits} bits holds 0 to {MAX_VALUES[bits]:g}; give a "
                "range within these, or inputs of more bits"
            )
        dtype = choose_result_type(item.dtype, bits, low, high)
        return convert_pixels_to_array(from_network_values(y, low, high, item.is_color), alpha, bits, dtype)

    def write(
        self, output: Path, prepared_item: PreparedImage | PreparedStack, result: Array | TranslatedStack
    ) -> tuple[str, ...]:
        """Write a result with the type of its input, if the format supports it; returns warnings."""
        if isinstance(prepared_item, PreparedStack):
            assert isinstance(result, TranslatedStack)
            write_stack(output, prepared_item, result)
            return (*result.warnings, *self.network_pass.take_notes())
        assert isinstance(result, np.ndarray)
        array = self._restore_result(prepared_item, result, output.suffix)
        write_array(output, array, prepared_item.alpha is not None, prepared_item.metadata)
        return self.network_pass.take_notes()

    def _restore_result(self, item: PreparedImage, result: Array, suffix: str) -> Array:
        """Return the raw values (H, W, C) of a result of the networks; those of a large picture are raw already."""
        return (
            result if item.large is not None else self.restore_array(item, result, self.get_output_bits(suffix, item))
        )

    def translate_object(self, x: Any, sample_rate_hz: int | None = None) -> Image.Image | Array | Tensor:
        """Translate a Pillow image, an array, a tensor or a picture file (see `Translator`); raises UsageError."""
        return translate_object(self, x, sample_rate_hz)

    def get_output_bits(self, suffix: str, item: PreparedImage) -> int:
        """Return the bits of a result: those of the input if the format of `suffix` supports them, else 8."""
        is_multichannel = item.is_color or self.reads_all_bands
        return item.bits if supports_bits(suffix, item.bits, is_multichannel, item.alpha is not None) else 8

    @property
    def label(self) -> LabelVector | None:
        """Labels of the request, without those of a table; None if the model has none."""
        return None if self.request.label_request is None else self.request.label_request.label

    def list_size_warnings(self, adapter: SizeAdapter) -> list[str]:
        """Describe effects of the networks' size, and of tiles, on a result."""
        warning_texts = []
        if adapter.upscale_factor > 2:
            warning_texts.append(
                f"the networks see pictures at {self.size} px, as in training, so larger results are enlarged (some "
                "more than twofold) and look soft; --scale native translates pictures without resizing"
            )
        if self.network_pass.choose_tile(*adapter.padded_size) is not None and self.network_pass.obstacle:
            warning_texts.append(
                "large pictures are translated in overlapping tiles, which may differ a little in contrast: this run's "
                f"networks compute '{self.network_pass.obstacle}' from the whole picture (--tile off needs more memory)"
            )
        return warning_texts
