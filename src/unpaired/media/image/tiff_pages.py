"""Pages of a TIFF: the first one that is not a reduced copy (a thumbnail, or a level of a pyramid)."""

from __future__ import annotations

from typing import Any

import tifffile
from PIL import Image

_NEW_SUBFILE_TYPE, _OLD_SUBFILE_TYPE = 254, 255
_REDUCED_BIT, _OLD_REDUCED = 1, 2
_MAX_PAGES = 100
"""Maximum number of pages that are searched for a full one."""


def seek_main_page(image: Image.Image) -> int:
    """Position a TIFF at its main page and return its index; the first page if all are reduced or damaged."""
    try:
        for index in range(_MAX_PAGES):
            image.seek(index)
            tags = image.tag_v2  # type: ignore[attr-defined]
            if not _is_reduced(tags.get(_NEW_SUBFILE_TYPE, 0), tags.get(_OLD_SUBFILE_TYPE, 0)):
                return index
    except Exception:  # damaged pages raise all kinds of errors
        pass
    image.seek(0)
    return 0


def find_main_page(file: tifffile.TiffFile) -> int:
    """Return the index of the main page; 0 if all pages are reduced or damaged."""
    try:
        for index in range(_MAX_PAGES):
            page: Any = file.pages[index]
            tags = page.tags
            if not _is_reduced(tags.valueof(_NEW_SUBFILE_TYPE, 0), tags.valueof(_OLD_SUBFILE_TYPE, 0)):
                return index
    except Exception:  # damaged pages raise all kinds of errors
        pass
    return 0


def has_later_page(file: tifffile.TiffFile, index: int) -> bool:
    """Whether there is a page after page `index`, or the file is an ImageJ stack of several images."""
    try:
        file.pages[index + 1]  # faster than the number of pages, which reads all of them
    except IndexError:
        metadata = file.imagej_metadata or {}
        return int(metadata.get("images", 1)) > 1
    except Exception:  # a damaged later page does not affect the main one
        return False
    return True


def _is_reduced(new_type: Any, old_type: Any) -> bool:
    """Whether the tags mark a reduced copy of another page."""
    return bool(int(new_type) & _REDUCED_BIT) or int(old_type) == _OLD_REDUCED
