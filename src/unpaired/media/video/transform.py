"""Transform from clips and pictures to square image tensors."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from unpaired.data.domain import Domain
from unpaired.data.item_transform import LoadedItem
from unpaired.media.image import crops
from unpaired.media.image.transform import ImageTransform
from unpaired.media.video.clip_items import read_item
from unpaired.media.video.settings import VideoSettings


class VideoTransform(ImageTransform):
    """Transform of pictures, and of the frames of clips that are items."""

    def load(self, path: Path, domain: Domain, training: bool) -> LoadedItem:
        """Read a frame of a clip, as "clip.mp4/0003", or a picture, at the training scale: (H, W, C)."""
        assert isinstance(self.settings, VideoSettings)
        read = partial(read_item, frames_per_second=self.settings.frames_per_second)
        return crops.load_scaled_image(path, domain, self.settings, training, read)
