"""Header of a picture: its size, type and the parts of the file that are not read."""

from __future__ import annotations

from dataclasses import dataclass

from unpaired.media.image.optional_formats import INSTALL_HINT


@dataclass(frozen=True)
class ImageHeader:
    """Properties of a picture from its header, and parts of the file that are not read.

    `width` and `height` are in pixels after the EXIF orientation. `bits` is per channel, 32 for floating point and for
    integers of more than 16 bits. `is_color` is about the mode; the pixels may still be gray. `extra_bands` are bands
    in addition to color and alpha. `drops_low_bits`: 16-bit color is read with 8 bits. `skipped_pages` is the number of
    reduced copies (thumbnails) before the page that is used.
    """

    width: int
    height: int
    mode: str
    bits: int
    is_color: bool
    has_more_pages: bool = False
    extra_bands: int = 0
    drops_low_bits: bool = False
    skipped_pages: int = 0

    @property
    def losses(self) -> tuple[str, ...]:
        """Descriptions of the parts of the file that are not used."""
        bands = f"{self.extra_bands} band{'' if self.extra_bands == 1 else 's'}"
        parts = (
            (self.skipped_pages > 0, "the first page is a thumbnail: the first page of full size is used"),
            (self.has_more_pages, "several pages or frames: only the first is used"),
            (self.extra_bands > 0, f"{bands} in addition to color and transparency: not used"),
            (
                self.drops_low_bits,
                f"16-bit color that is read with 8 bits (TIFF keeps 16; PNG does with {INSTALL_HINT})",
            ),
        )
        return tuple(text for is_lost, text in parts if is_lost)
