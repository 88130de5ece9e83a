"""Inspection of pictures before training: decode them in threads, and find duplicates."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

import numpy as np
import numpy.typing as npt

from unpaired.config.settings import Auto
from unpaired.console import ProgressCallback
from unpaired.cores import count_cores
from unpaired.data import counter_rng
from unpaired.data.folders import DomainFiles
from unpaired.data.paths import Paths, split_item_path
from unpaired.errors import UnreadableFileError
from unpaired.media.image.image_io import DecodedImage, read_header, read_image
from unpaired.media.image.inspection_report import ImageDataReport, ImageDomainReport, ImageInspection
from unpaired.media.image.pixel_types import describe_bands
from unpaired.media.image.read_errors import name_unreadable
from unpaired.media.image.settings import ImageSettings
from unpaired.media.image.stacks import list_items
from unpaired.media.image.value_range import measure_quantiles

_DECODED_SIDE = 64
"""Minimum shorter side in pixels at which JPEG files are decoded."""
_MAX_PENDING_FILES = 64
FileInspector = Callable[[Path, bool, int | Auto], ImageInspection | UnreadableFileError]
"""Function from a file, whether it needs a digest, and the setting `channels` to its inspection or error."""
DEFAULT_SETTINGS = ImageSettings()


def inspect_file(path: Path, needs_digest: bool, channels: int | Auto) -> ImageInspection | UnreadableFileError:
    """Decode a picture; `needs_digest`: hash it too. Returns the error of an unreadable file."""
    try:
        header = read_header(path)
        all_bands = header.extra_bands > 0 if channels == "auto" else channels not in (1, 3)
        # A JPEG is decoded at a smaller size, which finds the same damage in less time.
        image = read_image(path, _DECODED_SIDE, all_bands=all_bands)
        digest = _compute_digest(path, image) if needs_digest else 0
    except UnreadableFileError as error:
        return error
    quantiles = None
    if image.bits != 8:
        quantiles = measure_quantiles(image.pixels)
        if quantiles is None:
            return UnreadableFileError(path, "has no finite pixel")
    height, width = image.full_size or image.pixels.shape[:2]
    return ImageInspection(
        path.name if split_item_path(path)[1] is None else f"{path.parent.name}/{path.name}",
        width,
        height,
        describe_bands(image.pixels.shape[2], image.dtype) if all_bands else header.mode,
        image.bits,
        image.has_color,
        image.alpha is not None,
        quantiles,
        digest,
        replace(header, extra_bands=0).losses if all_bands else header.losses,
        image.pixels.shape[2] if all_bands else 0,
    )


def inspect_images(
    domains: Sequence[DomainFiles],
    max_files: int | None,
    seed: int = 0,
    *,
    settings: ImageSettings = DEFAULT_SETTINGS,
    workers: int | None = None,
    progress: ProgressCallback | None = None,
    inspect: FileInspector = inspect_file,
    create_report: Callable[[DomainFiles], ImageDomainReport] = ImageDomainReport,
) -> ImageDataReport:
    """Decode `max_files` random pictures by the seed, equally many of each domain (None: all pictures).

    The pictures within a file are listed first, as "stack.tif/0003". All bands are decoded if the setting `channels` is
    neither 1 nor 3; if it is "auto", of the files that have more bands than color and alpha.
    Unreadable files are recorded with their reason. Duplicates, across domains and within one, are found among the
    decoded pictures.
    `progress` is called with (done, total), `inspect` for each file; `create_report` makes the report of a domain.
    """
    channels = settings.channels
    domains = [list_items(files, settings) for files in domains]
    files_per_domain = None if max_files is None else max(1, max_files // len(domains))
    selections = [_select_files(files, files_per_domain, seed) for files in domains]
    shared_sizes = _find_shared_sizes(
        [np.concatenate([paths.sizes for paths in selection]) for selection in selections]
    )
    total = sum(len(paths) for selection in selections for paths in selection)
    finished_count, reports, digests = 0, [], []
    with ThreadPoolExecutor(workers or min(8, count_cores()), "check") as executor:
        for files, selection in zip(domains, selections, strict=True):
            report = create_report(files)
            domain_digests = np.zeros(sum(map(len, selection)), np.uint64)
            found = _inspect_files(executor, selection, shared_sizes, channels, inspect)
            for i, (in_train, inspection) in enumerate(found):
                report.add_inspection(inspection, in_train)
                domain_digests[i] = inspection.digest if isinstance(inspection, ImageInspection) else 0
                finished_count += 1
                if progress is not None:
                    progress(finished_count, total)
            reports.append(report)
            digests.append(domain_digests)
    copies = [pair for pair_of in zip(selections, digests, strict=True) for pair in _find_copies(*pair_of)]
    return ImageDataReport(tuple(reports), tuple(_find_duplicates(selections, digests)), channels, tuple(copies))


def _select_files(files: DomainFiles, files_per_domain: int | None, seed: int) -> tuple[Paths, Paths]:
    """Select `files_per_domain` random files of a domain; returns those for training and those of the test folder."""
    test = files.train.take([]) if files.test is None else files.test
    count, total = len(files.train), len(files.train) + len(test)
    if files_per_domain is None or files_per_domain >= total:
        return files.train, test
    selected_indices = np.sort(counter_rng.generate_permutation(total, seed)[:files_per_domain])
    return files.train.take(selected_indices[selected_indices < count]), test.take(
        selected_indices[selected_indices >= count] - count
    )


def _find_shared_sizes(sizes: Sequence[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    """Return the file sizes that occur more than once, because only such files can be duplicates."""
    values, counts = np.unique(np.concatenate(sizes), return_counts=True)
    return values[counts > 1]


def _inspect_files(
    executor: ThreadPoolExecutor,
    selection: tuple[Paths, Paths],
    shared_sizes: npt.NDArray[np.int64],
    channels: int | Auto,
    inspect: FileInspector,
) -> Iterator[tuple[bool, ImageInspection | UnreadableFileError]]:
    """Yield whether each file is for training, and its inspection or error, in order.

    At most `_MAX_PENDING_FILES` are in memory.
    """
    pending: deque[tuple[bool, Future[ImageInspection | UnreadableFileError]]] = deque()
    for paths, in_train in zip(selection, (True, False), strict=True):
        needs_digest = np.isin(paths.sizes, shared_sizes)
        for i in range(len(paths)):
            path, has_digest = paths.get_path(i), bool(needs_digest[i])
            pending.append((in_train, executor.submit(inspect, path, has_digest, channels)))
            if len(pending) >= _MAX_PENDING_FILES:
                from_train, future = pending.popleft()
                yield from_train, future.result()
    for from_train, future in pending:
        yield from_train, future.result()


def _compute_digest(path: Path, image: DecodedImage) -> int:
    """Return a hash of a file, or of one of the pictures within a file; 0 for a picture of one value."""
    if split_item_path(path)[1] is None:
        with name_unreadable(path):
            data = path.read_bytes()
    elif image.pixels.min() == image.pixels.max():
        return 0
    else:
        data = image.pixels.tobytes()
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "little")


def _find_duplicates(
    selections: Sequence[tuple[Paths, Paths]], digests: Sequence[npt.NDArray[np.uint64]]
) -> Iterator[tuple[str, str]]:
    for a in range(len(selections)):
        for b in range(a + 1, len(selections)):
            shared_digests, indices_a, indices_b = np.intersect1d(digests[a], digests[b], return_indices=True)
            for digest, i, j in zip(shared_digests, indices_a, indices_b, strict=True):
                if digest:
                    yield _get_file_path(selections[a], int(i)), _get_file_path(selections[b], int(j))


def _find_copies(selection: tuple[Paths, Paths], digests: npt.NDArray[np.uint64]) -> Iterator[tuple[str, str]]:
    """Yield each file of a domain that equals an earlier one, after that one.

    Pictures within one file are no copies of each other: a file belongs to one split as a whole.
    """
    order = np.argsort(digests, kind="stable")
    is_equal = (digests[order][1:] == digests[order][:-1]) & (digests[order][1:] != 0)
    for i in np.flatnonzero(is_equal):
        first, second = (_get_file_path(selection, int(order[k])) for k in (i, i + 1))
        if split_item_path(Path(first))[0] != split_item_path(Path(second))[0]:
            yield first, second


def _get_file_path(selection: tuple[Paths, Paths], index: int) -> str:
    train, test = selection
    return str(train.get_path(index) if index < len(train) else test.get_path(index - len(train)))
