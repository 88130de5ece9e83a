"""Description of the input and output of image networks, for programs that run an exported file."""

from __future__ import annotations

from unpaired.config.model_description import ModelDescription
from unpaired.data.domain import Domain
from unpaired.media.image.settings import image_settings, image_statistics
from unpaired.media.interface import NetworkInput


def describe_network_input(config: ModelDescription, source: Domain, target: Domain, stride: int) -> NetworkInput:
    """Describe how `ImagePipeline` converts a picture of `source` to values, and values to a picture of `target`."""
    settings, before, after = image_settings(config), image_statistics(source), image_statistics(target)
    size, channels = settings.size, settings.num_channels
    color = {1: "gray (ITU-R BT.601 luma of RGB)", 3: "RGB"}.get(channels, f"All {channels} bands of the file")
    resized = "resize" if settings.resize_mode == "scale" else "if it is smaller, resize"
    composite = "" if settings.reads_all_bands else "; composite over white"
    preprocessing = (
        f"Apply the EXIF orientation{composite}. Map raw values {before.low:g} to {before.high:g} linearly "
        f"to -1 to 1 and clamp. {color}, channels first: float32 (batch, {channels}, height, width). {resized} the "
        f"shorter side to {size} px, bicubic and antialiased. Pad at the bottom and right by reflection, without "
        f"repeating the border, to multiples of {stride}, at least {2 * stride}."
    )
    result = "" if after.color or channels != 3 else " Convert to gray by ITU-R BT.601 luma."
    postprocessing = (
        "float32 of the input's shape, -1 to 1. Remove the padding, resize to the picture's size, bicubic and "
        f"antialiased, and clamp.{result} Map -1 to 1 linearly to {after.low:g} to {after.high:g} and round "
        f"({after.bits} bits per channel)."
    )
    if not settings.reads_all_bands:
        postprocessing += " Undo the compositing where there is alpha: (y - (1 - a)) / a on -1 to 1."
    return NetworkInput((channels, size, size), (True, True), preprocessing, postprocessing)
