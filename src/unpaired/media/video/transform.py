"""Transform from clips and pictures to square image tensors."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from unpaired.data.domain import Domain
from unpaired.data.item_transform import Example, LoadedItem
from unpaired.data.paths import split_item_path
from unpaired.media.image import crops
from unpaired.media.image.transform import ImageTransform
from unpaired.media.video.clip_items import read_item, read_neighbor
from unpaired.media.video.deflicker import to_frame
from unpaired.media.video.flow import FlowEstimator
from unpaired.media.video.pipeline import is_clip
from unpaired.media.video.settings import VideoSettings
from unpaired.media.video.shots import ShotDetector

MOTION_CHANNELS = 3
"""Flow to the previous frame in pixels (x, y), and 1 where both frames show the same, else 0."""


class VideoTransform(ImageTransform):
    """Transform of pictures, and of the frames of clips that are items.

    With a temporal weight, training examples also have the previous frame of the clip (of the first one, the next), and
    the motion to it; both are 0 for pictures and at cuts.
    """

    @property
    def context_channels(self) -> int:
        """Channels of the previous frame and of the motion, with a temporal weight."""
        return self.settings.num_channels + MOTION_CHANNELS if self.settings.temporal_weight else 0

    def load(self, path: Path, domain: Domain, training: bool) -> LoadedItem:
        """Read a frame of a clip, as "clip.mp4/0003", or a picture, at the training scale: (H, W, C)."""
        assert isinstance(self.settings, VideoSettings)
        rate = self.settings.frames_per_second
        scaled = crops.load_scaled_image(
            path, domain, self.settings, training, partial(read_item, frames_per_second=rate)
        )
        if not (training and self.context_channels):
            return scaled
        values = _to_values(scaled)
        previous = None
        if is_clip(str(split_item_path(path)[0])):
            neighbor = crops.load_scaled_image(
                path, domain, self.settings, training, lambda file, *_: read_neighbor(file, rate)
            )
            previous = _to_values(neighbor)
        return np.concatenate([values, _describe_motion(values, previous)], axis=2)

    def crop(self, loaded_item: LoadedItem, random_values: tuple[float, float, float]) -> Example:
        """Crop a square (size, size, C) and mirror half of them if `settings.flip`, with their motion."""
        example = super().crop(loaded_item, random_values)
        if self.context_channels and self.is_mirrored(random_values[2]):
            example = example.copy()
            example[..., -MOTION_CHANNELS] *= -1
        return example


def _to_values(scaled: crops.ScaledImage) -> LoadedItem:
    """Convert a picture (H, W, C) at the training scale to values in [-1, 1]."""
    return np.moveaxis(crops.convert_crops_to_tensor(scaled[None])[0].numpy(), 0, -1)


def _describe_motion(values: LoadedItem, previous: LoadedItem | None) -> LoadedItem:
    """Return the previous frame, the flow to it, and the pixels that both show: (H, W, C + 3)."""
    height, width, channels = values.shape
    out = np.zeros((height, width, channels + MOTION_CHANNELS), np.float32)
    if previous is None:
        return out
    frame, other = (to_frame(x.transpose(2, 0, 1)) for x in (values, previous))
    detector = ShotDetector()
    detector.is_cut(other)
    if not detector.is_cut(frame):
        motion = FlowEstimator().estimate_motion(frame, other)
        out[..., :channels], out[..., channels : channels + 2] = previous, motion.flow
        out[..., -1] = motion.visible
    return out
