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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from unpaired.cores import cores
from unpaired.errors import UnpairedError, UsageError, WorkError
from unpaired.terminal import Advance
from unpaired.translate.craft import Craft, Ready
from unpaired.translate.ledger import Ledger, State
from unpaired.translate.plan import Item, Plan
from unpaired.translate.translator import Translator
from unpaired.translate.way import Way

WORKERS = max(2, min(8, cores()))
_FATAL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}
"""Failures of writing that the next file would meet too."""

R = TypeVar("R", bound=Ready)
See = Callable[[Iterable[Path]], list[str]]
"""Is shown the inputs; returns what a person should know of them."""


def nothing(_: Iterable[Path]) -> list[str]:
    """Nothing is to be said of any inputs."""
    return []


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
    progress: Advance | None = None,
) -> Outcome:
    """Translate files and folders (their structure kept) into the folder `out`, each under its own name.

    A picture's output has its input's size and alpha. 16 bits and floating point are kept where the suffix can hold
    them with the result's colour: TIFF always, PNG gray without alpha; else the result has 8 bits. JPEG and BMP hold no
    alpha. Up to `batch` pictures of one network shape are translated together.

    A recording's output is as long and as loud as its input, mono, at the rate of the run's features; recordings of any
    length take the same memory. MP3 is read but not written: the output of `a.mp3` is `a.flac`.

    Outputs made before of the same input by the
    same model and settings are skipped, unless `overwrite`; files that were not made here are only replaced with it.
    A file that cannot be read or written is listed in the outcome while the others are done.

    Raises UsageError before any work where the inputs or `out` cannot be meant (see `Plan`) and where a table of labels
    tells of none of the inputs, WorkError where `out` cannot be written or the disk is full; what was finished until
    then stays, and the next call goes on from there.
    """
    craft = translator.craft(way)
    told = None if way.wish is None else (way.wish.label, way.wish.digest)
    route = [way.route.source, way.route.target, way.source.model_dump(), way.target.model_dump()]
    model = [translator.digest, translator.config.method, *route, told]
    see = nothing if way.wish is None else way.wish.notes
    return crafted_files(craft, inputs, out, model, batch=batch, overwrite=overwrite, progress=progress, see=see)


def crafted_files(
    craft: Craft[Any, Any],
    inputs: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    model: Sequence[object],
    *,
    batch: int = 8,
    overwrite: bool = False,
    progress: Advance | None = None,
    see: See = nothing,
) -> Outcome:
    """As `translate_files`, by any craft; `model`, in types of JSON, and the craft's recipe are what equal results
    have in common. `see` is shown the inputs before any work.
    """
    if batch < 1:
        raise UsageError(f"batch {batch}; expected 1 or more")
    plan = Plan([Path(given) for given in inputs], Path(out), craft.medium, craft.named)
    recipe = json.dumps([*model, *craft.recipe()], sort_keys=True)
    with closing(Ledger(plan.out, hashlib.sha256(recipe.encode()).hexdigest())) as ledger:
        said = see(item.input for item in plan)
        return _Work(craft, ledger, plan, said, overwrite=overwrite, progress=progress).all(batch)


class _Work:
    """One call of `crafted_files`. Only the calling thread touches the ledger and the outcome."""

    def __init__(
        self,
        craft: Craft[Any, Any],
        ledger: Ledger,
        plan: Plan,
        said: list[str],
        *,
        overwrite: bool,
        progress: Advance | None,
    ) -> None:
        self.craft = craft
        self.ledger = ledger
        self.plan = plan
        self.overwrite = overwrite
        self.progress = progress
        self.total = len(plan)
        self.outcome = Outcome(failed=plan.unlisted, warnings=said)
        self.settled = 0

    def all(self, batch: int) -> Outcome:
        """Read ahead, translate in batches, write behind; what is in flight is bounded by workers and batch."""
        pool = ThreadPoolExecutor(WORKERS, "unpaired-translate")
        try:
            writing: deque[tuple[Item, Future[Sequence[str]]]] = deque()
            for group in grouped(self._read(pool), batch, self.craft.most_waiting):
                writing.extend(self._translate(group, pool))
                while writing and (len(writing) > batch + WORKERS or writing[0][1].done()):
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

    def _read(self, pool: ThreadPoolExecutor) -> Iterator[tuple[Item, Any]]:
        prepare = self.craft.prepare_file
        for item, future in ahead(self._todo(), lambda item: pool.submit(prepare, item.input), WORKERS):
            try:
                yield item, future.result()
            except UnpairedError as error:
                self._fail(item, error)

    def _translate(
        self, group: Sequence[tuple[Item, Any]], pool: ThreadPoolExecutor
    ) -> Iterator[tuple[Item, Future[Sequence[str]]]]:
        for _, ready in group:
            self._warn(self.craft.notices(ready))
        results = self.craft.run([ready for _, ready in group])
        self.ledger.begin(item for item, _ in group)
        for (item, ready), made in zip(group, results, strict=True):
            yield item, pool.submit(self._write, item.output, ready, made)

    def _write(self, output: Path, ready: Any, made: Any) -> Sequence[str]:
        output.parent.mkdir(parents=True, exist_ok=True)
        return self.craft.write(output, ready, made)

    def _written(self, item: Item, future: Future[Sequence[str]]) -> None:
        try:
            self._warn(future.result())
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

    def _warn(self, said: Sequence[str]) -> None:
        self.outcome.warnings.extend(text for text in dict.fromkeys(said) if text not in self.outcome.warnings)

    def _fail(self, item: Item, why: object) -> None:
        self.outcome.failed.append((item.input, str(why).removeprefix(f"{item.input}: ")))
        self._settle()

    def _settle(self) -> None:
        self.settled += 1
        if self.progress is not None:
            self.progress(self.settled, self.total)


def ahead(items: Iterable[Item], start: Callable[[Item], Future[R]], depth: int) -> Iterator[tuple[Item, Future[R]]]:
    """Each item with the work that `start` began on it, in order, `depth` of them begun before the first is taken."""
    begun: deque[tuple[Item, Future[R]]] = deque()
    for item in items:
        begun.append((item, start(item)))
        if len(begun) > depth:
            yield begun.popleft()
    while begun:
        yield begun.popleft()


def grouped(ready: Iterable[tuple[Item, R]], batch: int, most: int) -> Iterator[list[tuple[Item, R]]]:
    """Lists of at most `batch` files that are alike; not more than the weight `most` waits for others of its kind."""
    waiting: dict[tuple[object, ...], list[tuple[Item, R]]] = {}
    held = 0
    for item, one in ready:
        kind = one.alike
        waiting.setdefault(kind, []).append((item, one))
        held += one.weight
        if len(waiting[kind]) == batch:
            full = waiting.pop(kind)
            held -= sum(each.weight for _, each in full)
            yield full
        elif held > most:
            yield from waiting.values()
            waiting, held = {}, 0
    yield from waiting.values()
