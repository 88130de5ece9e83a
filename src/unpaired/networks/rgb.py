"""Selection of the channels of an image that are shown as red, green and blue."""

from __future__ import annotations

from torch import Tensor


def to_rgb(images: Tensor) -> Tensor:
    """Convert images (B, C, H, W) of any number of channels to (B, 3, H, W).

    One channel is repeated. Of two, the first is shown in magenta (red and blue) and the second in green, so that white
    stays white. Of more than three, the first three are red, green and blue.
    """
    channels = images.shape[1]
    if channels == 1:
        return images.expand(-1, 3, -1, -1)
    return images[:, [0, 1, 0]] if channels == 2 else images[:, :3]


def describe_rgb(channels: int) -> str:
    """Return which channels `to_rgb` shows in which color, for images that are neither gray nor RGB; else empty."""
    if channels in (1, 3):
        return ""
    if channels == 2:
        return "channel 1 as red and blue, channel 2 as green"
    return f"channels 1, 2 and 3 of {channels} as red, green and blue"
