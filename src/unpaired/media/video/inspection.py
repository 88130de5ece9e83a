"""Inspection of folders with clips: the clips by their indices, and a few of their frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from unpaired.config.settings import Auto
from unpaired.console import ProgressCallback, format_duration
from unpaired.data.folders import DomainFiles
from unpaired.data.inspection import format_count
from unpaired.data.paths import get_file_name, split_item_path
from unpaired.errors import UnreadableFileError
from unpaired.media.image.inspection import inspect_file, inspect_images
from unpaired.media.image.inspection_report import ImageDataReport, ImageDomainReport, ImageInspection
from unpaired.media.image.value_range import LEVELS
from unpaired.media.video.clip_index import load_clip_index
from unpaired.media.video.clip_items import count_items, list_clip_items, read_item
from unpaired.media.video.pipeline import is_clip
from unpaired.media.video.settings import VideoSettings

MAX_LISTED_CLIPS = 20
"""Maximum number of clips of a domain that are described one by one."""


class VideoDomainReport(ImageDomainReport):
    """Inspection of a domain whose items are frames of clips, and pictures."""

    @property
    def item_noun(self) -> str:
        """ "frame" if all files are clips, "picture" if none is, else "item"."""
        clips, files = len(_list_clips(self.files)), len(_list_files(self.files))
        return "frame" if clips == files else "item" if clips else "picture"

    def describe_stacks(self) -> str:
        """Describe how many items are frames of clips; empty if there are none."""
        clips = len(_list_clips(self.files))
        return f"frames of {format_count(clips, 'clip')}; a clip belongs to one split as a whole" if clips else ""


def inspect_videos(
    domains: Sequence[DomainFiles],
    max_files: int | None,
    seed: int = 0,
    *,
    settings: VideoSettings,
    progress: ProgressCallback | None = None,
) -> ImageDataReport:
    """Inspect clips and pictures as `inspect_images` does; of each clip, decode the first, middle and last item."""
    rate = settings.frames_per_second
    items = [list_clip_items(files, rate) for files in domains]
    inspect = partial(_inspect_item, frames_per_second=rate)
    return inspect_images(items, max_files, seed, progress=progress, inspect=inspect, create_report=VideoDomainReport)


def _inspect_item(
    path: Path, needs_digest: bool, channels: int | Auto, frames_per_second: float
) -> ImageInspection | UnreadableFileError:
    file, item = split_item_path(path)
    if not is_clip(str(file)):
        return inspect_file(path, needs_digest, channels)
    try:
        index = load_clip_index(file)
        count = count_items(index, frames_per_second)
        if item is None or item.number in (1, (count + 1) // 2, count):
            read_item(path, 3, None, frames_per_second)
    except UnreadableFileError as error:
        return UnreadableFileError(path, error.reason)
    bits = 16 if index.bits > 8 else 8
    return ImageInspection(
        file.name,
        index.width,
        index.height,
        "clip",
        bits,
        index.has_color,
        index.has_alpha,
        None if bits == 8 else np.asarray(65535 * LEVELS),
        0,
    )


def describe_clips(files: DomainFiles, frames_per_second: float) -> list[str]:
    """Describe the clips of a domain: duration, rate, size, codec, sound, and the number of items."""
    lines, seconds, kinds = [], 0.0, Counter[str]()
    for path in _list_clips(files):
        try:
            index = load_clip_index(path)
        except UnreadableFileError:  # listed with the unreadable files
            continue
        seconds += index.seconds
        kinds[index.codec] += 1
        rate = f"{len(index) / index.seconds:.4g} frames/s{' (variable)' if index.has_variable_rate else ''}"
        items = format_count(count_items(index, frames_per_second), "item")
        lines.append(
            f"    {path.name}: {format_duration(index.seconds)}, {rate}, {index.width} x {index.height}, "
            f"{index.codec}, {index.bits} bits, {f'sound {index.sound}' if index.sound else 'no sound'}; {items}"
        )
    if not lines:
        return []
    codecs = ", ".join(f"{codec} {count:,}" for codec, count in kinds.most_common())
    more = [f"    and {len(lines) - MAX_LISTED_CLIPS:,} more"] if len(lines) > MAX_LISTED_CLIPS else []
    head = (
        f"  {files.name}: {format_count(len(lines), 'clip')}, {format_duration(seconds)} in total ({codecs}); "
        f"{frames_per_second:g} frames per second of them are items (--frames-per-second)"
    )
    return [head, *lines[:MAX_LISTED_CLIPS], *more]


def _list_clips(files: DomainFiles) -> list[Path]:
    return [path for path in _list_files(files) if is_clip(str(path))]


def _list_files(files: DomainFiles) -> list[Path]:
    """Return the files that contain the items of a domain."""
    return [
        paths.root / name
        for paths in (files.train, files.test)
        if paths is not None
        for name in dict.fromkeys(map(get_file_name, paths))
    ]
