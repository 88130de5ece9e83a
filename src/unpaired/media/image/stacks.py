"""Files that contain several pictures: the pages of a TIFF, the slices of a volume."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

from unpaired.cores import count_cores
from unpaired.data.folders import DomainFiles
from unpaired.data.paths import ItemName, Paths, get_file_name
from unpaired.errors import UnreadableFileError, raise_resource_limit
from unpaired.media.image.dicom import list_frames
from unpaired.media.image.nifti import list_slices
from unpaired.media.image.settings import ImageSettings
from unpaired.media.image.suffixes import DICOM_SUFFIXES, NIFTI_SUFFIXES, TIFF_SUFFIXES, get_picture_suffix
from unpaired.media.image.tiff_directories import list_full_pages

STACK_SUFFIXES = TIFF_SUFFIXES | NIFTI_SUFFIXES | DICOM_SUFFIXES
"""Suffixes of files that may contain several pictures."""


def list_item_names(path: Path, settings: ImageSettings) -> list[ItemName]:
    """Return the names of the pictures within a file; empty if it is a single picture or cannot be read.

    Raises UsageError if the package for the format is missing.
    """
    suffix = get_picture_suffix(path.name)
    try:
        if suffix in NIFTI_SUFFIXES:
            return list_slices(path, settings.slice_axis)
        if suffix in DICOM_SUFFIXES:
            return list_frames(path)
        pages = list_full_pages(path) if suffix in TIFF_SUFFIXES else []
    except (OSError, UnreadableFileError) as error:  # reading the file as a picture gives the reason
        raise_resource_limit(path, error)
        return []
    return [ItemName("", page) for page in pages] if len(pages) > 1 else []


def list_items(files: DomainFiles, settings: ImageSettings) -> DomainFiles:
    """Return a domain with the pictures within its files as items, as "stack.tif/0003"."""
    return replace(
        files,
        train=_list_pictures(files.train, settings),
        test=None if files.test is None else _list_pictures(files.test, settings),
    )


def _list_pictures(paths: Paths, settings: ImageSettings) -> Paths:
    is_stack = [get_picture_suffix(name) in STACK_SUFFIXES for name in paths]
    if not any(is_stack):
        return paths
    with ThreadPoolExecutor(min(8, count_cores()), "list") as executor:
        stacks = [paths.get_path(i) for i, may_be_stack in enumerate(is_stack) if may_be_stack]
        names_by_stack = executor.map(partial(list_item_names, settings=settings), stacks)

        def iterate_items() -> Iterator[tuple[str, int]]:
            for i, name in enumerate(paths):
                items = next(names_by_stack) if is_stack[i] else []
                yield from ((f"{name}/{item}", int(paths.sizes[i])) for item in items)
                if not items:
                    yield name, int(paths.sizes[i])

        return Paths.from_files(paths.root, iterate_items())


def count_stacks(paths: Paths) -> int:
    """Return the number of files of which several pictures are listed."""
    return len({file for name in paths if (file := get_file_name(name)) != name})


def count_series(paths: Paths) -> int:
    """Return the number of folders with DICOM files."""
    return len({get_group(name) for name in paths if _is_dicom(name)})


def get_group(name: str) -> str:
    """Return the name of the group of pictures that no split divides: a file, or a folder of DICOM files (a series)."""
    file = get_file_name(name)
    return f"{file.rpartition('/')[0]}/" if _is_dicom(file) else file


def _is_dicom(name: str) -> bool:
    return get_picture_suffix(get_file_name(name)) in DICOM_SUFFIXES
