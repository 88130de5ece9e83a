"""Items of clips: frames at even times, named "clip.mp4/0001" and so on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from unpaired.cores import count_cores
from unpaired.data.folders import DomainFiles
from unpaired.data.paths import ItemName, Paths, split_item_path
from unpaired.errors import UnreadableFileError
from unpaired.media.image.image_io import DecodedImage, read_channels
from unpaired.media.video.clip_index import ClipIndex, load_clip_index, read_clip_frame
from unpaired.media.video.pipeline import is_clip


def count_items(index: ClipIndex, frames_per_second: float) -> int:
    """Return the number of items of a clip: at least 1, at most its frames."""
    return min(len(index), max(1, round(index.seconds * frames_per_second)))


def find_item_frame(index: ClipIndex, number: int, frames_per_second: float) -> int:
    """Return the frame of item `number` (from 1): that in the middle of its part of the duration."""
    count = count_items(index, frames_per_second)
    if count == len(index):
        return min(number, count) - 1
    return index.find_frame((min(number, count) - 0.5) / count * index.seconds)


def list_clip_items(files: DomainFiles, frames_per_second: float) -> DomainFiles:
    """Return a domain with the items of its clips in place of the clips. Clips that cannot be read stay files."""
    return replace(
        files,
        train=_expand(files.train, frames_per_second),
        test=None if files.test is None else _expand(files.test, frames_per_second),
    )


def read_item(path: Path, channels: int, side: int | None, frames_per_second: float) -> DecodedImage:
    """Decode the item of a clip, or a picture (see `read_channels`); raises UnreadableFileError."""
    file, item = split_item_path(path)
    if not is_clip(str(file)):
        return read_channels(path, channels, side)
    index = load_clip_index(file)
    return read_clip_frame(file, find_item_frame(index, 1 if item is None else item.number, frames_per_second))


def read_neighbor(path: Path, frames_per_second: float) -> DecodedImage:
    """Decode the frame before an item of a clip, for the first frame the next one; raises UnreadableFileError."""
    file, item = split_item_path(path)
    index = load_clip_index(file)
    frame = find_item_frame(index, 1 if item is None else item.number, frames_per_second)
    return read_clip_frame(file, frame - 1 if frame else min(1, len(index) - 1))


def _expand(paths: Paths, frames_per_second: float) -> Paths:
    clips = [i for i in range(len(paths)) if is_clip(os.path.join(paths.root, paths[i]))]  # noqa: PTH118
    if not clips:
        return paths

    def count(i: int) -> int:
        try:
            return count_items(load_clip_index(paths.get_path(i)), frames_per_second)
        except UnreadableFileError:  # the inspection reports it
            return 0

    with ThreadPoolExecutor(min(8, count_cores()), "index") as executor:
        counts = dict(zip(clips, executor.map(count, clips), strict=True))

    def iterate_items() -> Iterator[tuple[str, int]]:
        for i, name in enumerate(paths):
            size, items = int(paths.sizes[i]), counts.get(i, 0)
            yield from ((f"{name}/{ItemName('', number)}", size) for number in range(1, items + 1))
            if not items:
                yield name, size

    return Paths.from_files(paths.root, iterate_items())
