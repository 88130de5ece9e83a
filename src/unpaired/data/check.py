"""Look into the pictures before training, in threads: decode them, and compare contents across domains."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path

import numpy as np
import numpy.typing as npt

from unpaired.cores import cores
from unpaired.data import draw
from unpaired.data.folders import DomainFiles
from unpaired.data.paths import Paths
from unpaired.data.report import CheckReport, DomainReport, Look
from unpaired.errors import UnreadableFile
from unpaired.media.image import probe, read
from unpaired.terminal import Advance

_SMALL = 64
_WINDOW = 64


def check(
    domains: Sequence[DomainFiles],
    decode: int | None,
    seed: int = 0,
    *,
    workers: int | None = None,
    progress: Advance | None = None,
) -> CheckReport:
    """Decode a seeded `decode` pictures, shared among the domains (None: all).

    Nothing that a file does stops the look: unreadable ones are recorded with their reason. `progress` is called with
    (done, total). Duplicates across domains are found among the pictures decoded.
    """
    share = None if decode is None else max(1, decode // len(domains))
    chosen = [_chosen(files, share, seed) for files in domains]
    twins = _common([np.concatenate([paths.sizes for paths in parts]) for parts in chosen])
    total = sum(len(paths) for parts in chosen for paths in parts)
    done, reports, digests = 0, [], []
    with ThreadPoolExecutor(workers or min(8, cores()), "check") as pool:
        for files, parts in zip(domains, chosen, strict=True):
            report = DomainReport(files)
            found = np.zeros(sum(map(len, parts)), np.uint64)
            for i, (in_train, look) in enumerate(_looks(pool, parts, twins)):
                report.note(look, in_train)
                found[i] = look.digest if isinstance(look, Look) else 0
                done += 1
                if progress is not None:
                    progress(done, total)
            reports.append(report)
            digests.append(found)
    return CheckReport(tuple(reports), tuple(_duplicates(chosen, digests)))


def _chosen(files: DomainFiles, share: int | None, seed: int) -> tuple[Paths, Paths]:
    """A seeded `share` of a domain's files: from the ones to train on, and from the test folder."""
    test = files.train.take([]) if files.test is None else files.test
    count, total = len(files.train), len(files.train) + len(test)
    if share is None or share >= total:
        return files.train, test
    drawn = np.sort(draw.order(total, seed)[:share])
    return files.train.take(drawn[drawn < count]), test.take(drawn[drawn >= count] - count)


def _common(sizes: Sequence[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    """The file sizes that occur in more than one domain: only such files can be duplicates."""
    each = np.concatenate([np.unique(s) for s in sizes])
    values, counts = np.unique(each, return_counts=True)
    return values[counts > 1]


def _looks(
    pool: ThreadPoolExecutor, parts: tuple[Paths, Paths], twins: npt.NDArray[np.int64]
) -> Iterator[tuple[bool, Look | UnreadableFile]]:
    """Look at all files in order, a window of them at a time, so that memory stays constant."""
    waiting: deque[tuple[bool, Future[Look | UnreadableFile]]] = deque()
    for paths, in_train in zip(parts, (True, False), strict=True):
        hashed = np.isin(paths.sizes, twins)
        for i in range(len(paths)):
            waiting.append((in_train, pool.submit(_look, paths.file(i), bool(hashed[i]))))
            if len(waiting) >= _WINDOW:
                train, future = waiting.popleft()
                yield train, future.result()
    for train, future in waiting:
        yield train, future.result()


def _look(path: Path, hashed: bool) -> Look | UnreadableFile:
    try:
        facts = probe(path)
        # A JPEG decodes smaller here, which finds the same damage in less time; others come whole.
        picture = read(path, _SMALL)
        digest = int.from_bytes(blake2b(path.read_bytes(), digest_size=8).digest(), "little") if hashed else 0
    except UnreadableFile as error:
        return error
    except OSError as error:
        return UnreadableFile(path, error.strerror or str(error))
    low, high = 0.0, 255.0
    if picture.bits != 8:
        finite = picture.pixels[np.isfinite(picture.pixels)]
        if not finite.size:
            return UnreadableFile(path, "has no finite pixel")
        low, high = float(finite.min()), float(finite.max())
    return Look(
        facts.width, facts.height, facts.mode, picture.bits, picture.color, picture.alpha is not None, low, high, digest
    )


def _duplicates(
    chosen: Sequence[tuple[Paths, Paths]], digests: Sequence[npt.NDArray[np.uint64]]
) -> Iterator[tuple[str, str]]:
    for a in range(len(chosen)):
        for b in range(a + 1, len(chosen)):
            same, ours, theirs = np.intersect1d(digests[a], digests[b], return_indices=True)
            for digest, i, j in zip(same, ours, theirs, strict=True):
                if digest:
                    yield _name(chosen[a], int(i)), _name(chosen[b], int(j))


def _name(parts: tuple[Paths, Paths], index: int) -> str:
    train, test = parts
    return str(train.file(index) if index < len(train) else test.file(index - len(train)))
