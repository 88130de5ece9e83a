"""Files and folders through a translator: decoded and encoded in threads while the networks work on batches."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from torch import Tensor

from unpaired.errors import UnpairedError, UsageError, WorkError
from unpaired.media.image import write
from unpaired.translate.framing import WHOLE
from unpaired.translate.ledger import Ledger, State
from unpaired.translate.plan import Item, Plan
from unpaired.translate.translator import Prepared, Translator, notices
from unpaired.translate.way import Way

WORKERS = max(2, min(8, os.cpu_count() or 1))
_FATAL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}
"""Failures of writing that the next file would meet too."""

Progress = Callable[[int, int], None]
"""Told how many of how many inputs are dealt with: translated, skipped or failed."""


@dataclass
class Outcome:
    """What became of the inputs: how many were `done`, how many `skipped` as made before, which `failed` and why."""

    done: int = 0
    skipped: int = 0
    failed: list[tuple[Path, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def translate_files(
    translator: Translator,
    inputs: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    way: Way,
    *,
    batch: int = 8,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Outcome:
    """Translate files and folders (their structure kept) into the folder `out`, each under its own name.

    An output has its input's size and alpha. 16 bits and floating point are kept where the suffix can hold them with
    the result's colour: TIFF always, PNG gray without alpha; else the result has 8 bits. JPEG and BMP hold no alpha.

    Up to `batch` pictures of one network shape are translated together. Outputs made before of the same input by the
    same model and settings are skipped, unless `overwrite`; files that were not made here are only replaced with it.
    A file that cannot be read or written is listed in the outcome while the others are done.

    Raises UsageError before any work where the inputs or `out` cannot be meant (see `Plan`), WorkError where `out`
    cannot be written or the disk is full; what was finished until then stays, and the next call goes on from there.
    """
    if batch < 1:
        raise UsageError(f"batch {batch}; expected 1 or more")
    plan = Plan([Path(given) for given in inputs], Path(out))
    with closing(Ledger(plan.out, _recipe(translator, way))) as ledger:
        return _Work(translator, way, ledger, plan, overwrite=overwrite, progress=progress).all(batch)


def _recipe(translator: Translator, way: Way) -> str:
    """What makes two translations of one input equal: the model and the settings."""
    asked = asdict(replace(way, wish=None)) | {"source": way.source.model_dump(), "target": way.target.model_dump()}
    asked["wish"] = None if way.wish is None else (way.wish.label, way.wish.digest)
    asked["options"].pop("labels")
    facts = [translator.digest, translator.config.method, translator.config.channels, asked]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


class _Work:
    """One call of `translate_files`. Only the calling thread touches the ledger and the outcome."""

    def __init__(
        self,
        translator: Translator,
        way: Way,
        ledger: Ledger,
        plan: Plan,
        *,
        overwrite: bool,
        progress: Progress | None,
    ) -> None:
        self.translator = translator
        self.way = way
        self.ledger = ledger
        self.plan = plan
        self.overwrite = overwrite
        self.progress = progress
        self.total = len(plan)
        self.outcome = Outcome(failed=plan.unlisted)
        self.settled = 0

    def all(self, batch: int) -> Outcome:
        """Read ahead, translate in batches, write behind; what is in flight is bounded by workers and batch."""
        pool = ThreadPoolExecutor(WORKERS, "unpaired-translate")
        try:
            writing: deque[tuple[Item, Future[None]]] = deque()
            for group in grouped(self._read(pool), batch):
                writing.extend(self._translate(group, pool))
                while len(writing) > batch + WORKERS:
                    self._written(*writing.popleft())
            while writing:
                self._written(*writing.popleft())
        finally:
            pool.shutdown(cancel_futures=True)
        return self.outcome

    def _todo(self) -> Iterator[Item]:
        for item in self.plan:
            state = State.ABSENT if self.overwrite else self.ledger.state(item)
            if state is State.ABSENT:
                yield item
            elif state is State.MADE:
                self.outcome.skipped += 1
                self._settle()
            else:
                why = f"{item.output} is there and is not ours (or was changed); --overwrite replaces it"
                self._fail(item, why)

    def _read(self, pool: ThreadPoolExecutor) -> Iterator[tuple[Item, Prepared]]:
        prepare = self.translator.prepare_file
        for item, future in ahead(self._todo(), lambda item: pool.submit(prepare, item.input, self.way), WORKERS):
            try:
                yield item, future.result()
            except UnpairedError as error:
                self._fail(item, error)

    def _translate(
        self, group: Sequence[tuple[Item, Prepared]], pool: ThreadPoolExecutor
    ) -> Iterator[tuple[Item, Future[None]]]:
        said = [text for _, prepared in group for text in notices(prepared.frame, self.way)]
        self.outcome.warnings.extend(text for text in dict.fromkeys(said) if text not in self.outcome.warnings)
        results = self.translator.run([prepared for _, prepared in group], self.way)
        self.ledger.begin(item for item, _ in group)
        for (item, prepared), y in zip(group, results, strict=True):
            yield item, pool.submit(self._write, item.output, prepared, y)

    def _write(self, output: Path, prepared: Prepared, y: Tensor) -> None:
        bits = kept_bits(output.suffix, prepared)
        pixels = self.translator.finish(prepared, y, self.way, bits)
        output.parent.mkdir(parents=True, exist_ok=True)
        write(output, pixels, prepared.alpha, bits)

    def _written(self, item: Item, future: Future[None]) -> None:
        try:
            future.result()
        except (UnpairedError, OSError) as error:
            cause = error.__cause__ if isinstance(error, UnpairedError) else error
            if isinstance(cause, OSError) and cause.errno in _FATAL:
                done = f"{self.outcome.done} of {self.total} are translated; the same command goes on from there"
                raise WorkError(f"{error}; {done}") from error
            self._fail(item, error)
        else:
            self.ledger.finish(item)
            self.outcome.done += 1
            self._settle()

    def _fail(self, item: Item, why: object) -> None:
        self.outcome.failed.append((item.input, str(why).removeprefix(f"{item.input}: ")))
        self._settle()

    def _settle(self) -> None:
        self.settled += 1
        if self.progress is not None:
            self.progress(self.settled, self.total)


def kept_bits(suffix: str, prepared: Prepared) -> int:
    """Bits of a result: the input's where files of `suffix` hold them with its colour and alpha, else 8."""
    tiff = suffix.lower() in (".tif", ".tiff")
    png = suffix.lower() == ".png" and prepared.bits == 16 and not prepared.color and prepared.alpha is None
    return prepared.bits if tiff or png else 8


def ahead(
    items: Iterable[Item], start: Callable[[Item], Future[Prepared]], depth: int
) -> Iterator[tuple[Item, Future[Prepared]]]:
    """Each item with the work that `start` began on it, in order, `depth` of them begun before the first is taken."""
    begun: deque[tuple[Item, Future[Prepared]]] = deque()
    for item in items:
        begun.append((item, start(item)))
        if len(begun) > depth:
            yield begun.popleft()
    while begun:
        yield begun.popleft()


def grouped(
    prepared: Iterable[tuple[Item, Prepared]], batch: int, pixels: int = WHOLE
) -> Iterator[list[tuple[Item, Prepared]]]:
    """Lists of at most `batch` pictures that are alike; not more than `pixels` wait for others of their kind."""
    waiting: dict[tuple[object, ...], list[tuple[Item, Prepared]]] = {}
    held = 0
    for item, one in prepared:
        shape, kind = one.frame.outer, one.alike
        waiting.setdefault(kind, []).append((item, one))
        held += shape[0] * shape[1]
        if len(waiting[kind]) == batch:
            held -= batch * shape[0] * shape[1]
            yield waiting.pop(kind)
        elif held > pixels:
            yield from waiting.values()
            waiting, held = {}, 0
    yield from waiting.values()
