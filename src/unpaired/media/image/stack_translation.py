"""Translation of files that contain several pictures, one after the other, into one file of the same kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from unpaired.atomic import atomic_write, get_part_path
from unpaired.console import FractionCallback
from unpaired.data.paths import ItemName
from unpaired.errors import UnpairedError, WorkError
from unpaired.media.image import tiff
from unpaired.media.image.array_io import Array
from unpaired.media.image.carried_metadata import read_carried_metadata
from unpaired.media.image.dicom import Derivation, write_derived
from unpaired.media.image.nifti import write_volume
from unpaired.media.image.page_spool import PageSpool
from unpaired.media.image.prepared_image import PreparedImage
from unpaired.media.image.suffixes import DICOM_SUFFIXES, NIFTI_SUFFIXES, TIFF_SUFFIXES

MAX_BATCH_PAGES = 8
"""Maximum number of pictures of a file that pass the networks at once."""
MAX_CLASSIC_BYTES = 3_900_000_000
"""Size of pixels above which a TIFF has the offsets of BigTIFF."""


class PictureTranslator(Protocol):
    """Pipeline of single pictures, which may be within a file."""

    max_waiting_cost: int

    def prepare_picture(self, path: Path, output_suffix: str) -> PreparedImage:
        """Read a picture."""

    def list_warnings(self, prepared_item: PreparedImage) -> list[str]:
        """Return warnings about a picture."""

    def run_pictures(self, batch: Sequence[PreparedImage], report_fraction: FractionCallback) -> list[Array]:
        """Translate pictures with equal `batch_key` to raw values (H, W, C), alpha last."""


@dataclass(frozen=True, eq=False)
class PreparedStack:
    """A file whose pictures `items` are read while they are translated, and the suffix of the output.

    The file of a single picture has one item, None.
    """

    path: Path
    items: tuple[ItemName | None, ...]
    suffix: str
    waiting_cost: int
    derivation: Derivation

    @property
    def batch_key(self) -> tuple[object, ...]:
        """A key that no other item has: a file is translated alone."""
        return ("stack", id(self))

    @property
    def memory_cost(self) -> int:
        """A cost above the limit, so that the file does not wait for others."""
        return self.waiting_cost


@dataclass(frozen=True, eq=False)
class TranslatedStack:
    """Raw values of the translated pictures, and warnings about them."""

    pages: PageSpool
    has_alpha: bool
    warnings: tuple[str, ...]


def translate_stack(
    stack: PreparedStack, translator: PictureTranslator, report_fraction: FractionCallback
) -> TranslatedStack:
    """Translate the pictures of a file in order; memory does not grow with their number.

    Raises UnreadableFileError for a damaged picture, which it names, and WorkError if the disk is full.
    """
    pages, has_alpha, warnings, total = PageSpool(), False, dict[str, None](), len(stack.items)
    try:
        for batch in _iterate_batches(stack, translator):
            done = len(pages)

            def report(fraction: float, done: int = done, size: int = len(batch)) -> None:
                report_fraction((done + fraction * size) / total)

            for item, page in zip(batch, translator.run_pictures(batch, report), strict=True):
                pages.append(page)
                has_alpha |= item.alpha is not None
                warnings |= dict.fromkeys(translator.list_warnings(item))
            report_fraction(len(pages) / total)
    except BaseException:
        pages.close()
        raise
    return TranslatedStack(pages, has_alpha, tuple(warnings))


def _iterate_batches(stack: PreparedStack, translator: PictureTranslator) -> Iterator[list[PreparedImage]]:
    """Yield successive pictures with equal keys."""
    batch: list[PreparedImage] = []
    for name in stack.items:
        item = translator.prepare_picture(stack.path if name is None else stack.path / str(name), stack.suffix)
        cost = item.memory_cost * (len(batch) + 1)
        if batch and (
            item.batch_key != batch[0].batch_key or len(batch) == MAX_BATCH_PAGES or cost > translator.max_waiting_cost
        ):
            yield batch
            batch = []
        batch.append(item)
    yield batch


def write_stack(output: Path, stack: PreparedStack, result: TranslatedStack) -> None:
    """Write the translation of a file atomically; raises WorkError if it cannot be written."""
    write = WRITERS[stack.suffix]
    try:
        with atomic_write(output, get_part_path(output)) as temporary_path:
            try:
                write(temporary_path, stack, result)
            except (OSError, UnpairedError):
                raise
            except Exception as error:  # encoders raise all kinds of errors for unusual headers
                raise WorkError(f"{output}: cannot be written ({error})") from error
    finally:
        result.pages.close()


def _write_tiff_stack(path: Path, stack: PreparedStack, result: TranslatedStack) -> None:
    profile = read_carried_metadata(stack.path).icc_profile
    is_big = result.pages.total_bytes > MAX_CLASSIC_BYTES
    with path.open("wb") as file:
        tiff.write_tiff(file, result.pages, result.has_alpha, profile, is_big=is_big)


def _write_volume(path: Path, stack: PreparedStack, result: TranslatedStack) -> None:
    items = [item for item in stack.items if item is not None]
    write_volume(path, stack.path, items, result.pages, stack.suffix == ".nii.gz")


def _write_dicom(path: Path, stack: PreparedStack, result: TranslatedStack) -> None:
    write_derived(path, stack.path, list(result.pages), stack.derivation)


WRITERS: dict[str, Callable[[Path, PreparedStack, TranslatedStack], Any]] = {
    **dict.fromkeys(TIFF_SUFFIXES, _write_tiff_stack),
    **dict.fromkeys(NIFTI_SUFFIXES, _write_volume),
    **dict.fromkeys(DICOM_SUFFIXES, _write_dicom),
}
"""Suffix -> writer of files that contain several pictures."""
