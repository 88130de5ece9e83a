"""One run from its first step, or the step it was resumed at, to the end of its budget."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Protocol

import torch
from torch import Tensor

from unpaired.errors import Diverged
from unpaired.methods.game import Batch, Now
from unpaired.runs.config import RunConfig
from unpaired.runs.folder import Checkpoint, RunFolder, save_model
from unpaired.runs.progress import Budget, Progress
from unpaired.terminal import duration
from unpaired.training.checkpoint import save_checkpoint
from unpaired.training.loop import Loop
from unpaired.training.record import Record
from unpaired.training.schedule import evaluation_due, rate_factor

CHECKPOINT_EVERY_S = 120.0
RECORD_EVERY_S = 1.0
SAMPLES_A_RUN = 20
PASSED_ON_S = 1.0
"""Within so many seconds a second signal is the first one, passed on by a launcher that got it too."""


class Judge(Protocol):
    """What a session asks for looks at its own work; `training.judge` answers."""

    def evaluate(self, step: int, spent_s: float, best_kid: float | None) -> float | None:
        """Measure on held-back items and record it; returns the mean KID over the routes, where there is one."""

    def samples(self, step: int) -> None:
        """Record a grid of samples."""


class Interrupted(Exception):
    """The run was asked to stop by a signal of this number.

    What is `done` and how to go on `again` are its words; ranks other than the first have nothing to say (empty).
    """

    def __init__(self, number: int, done: str = "", again: str = "") -> None:
        super().__init__(f"{done}; continue with: {again}" if done else "")
        self.signal, self.done = number, done


class Session:
    """Steps, and what is due between them. It acts between steps only: half a step could not be resumed."""

    def __init__(
        self,
        config: RunConfig,
        folder: RunFolder,
        loop: Loop,
        batches: Callable[[int, int, int], Batch],
        record: Record | None,
        judge: Judge | None,
        progress: Progress,
    ) -> None:
        self.config, self.folder, self.loop, self.batches = config, folder, loop, batches
        self.record, self.judge = record, judge
        self.step, self.spent_s, self.evaluation_s = progress.step, progress.spent_s, progress.evaluation_s
        self.best_step, self.best_kid = progress.best_step, progress.best_kid
        self.budget = Budget(config.training.steps, config.training.minutes)
        # Of a larger budget than before, what is spent is a smaller share.
        self.evaluated_share = min(progress.evaluated_share, self.budget.share(progress.step, progress.spent_s))
        self.evaluation_cost_s = progress.evaluation_cost_s
        self.saved_step, self.saved_at = progress.step, time.monotonic()
        self.begun_s, self.begun_step = progress.spent_s, progress.step
        self.recorded_s = float("-inf")
        self.stop: int | None = None

    @property
    def share(self) -> float:
        """The share of the budget that is spent; the first rank's clock counts for all."""
        return float(self.loop.ranks.share(self.budget.share(self.step, self.spent_s)))

    def run(self) -> None:
        """Train to the end of the budget; raises Interrupted after a signal and Diverged when the numbers are lost."""
        with self._listening():
            share = self.share
            while share < 1:
                begun = time.perf_counter()
                factor = rate_factor(share, self.config.training.decay_from)
                terms = self.loop.step(self._micro_batches(), Now(self.step, share), factor)
                values = self._guarded(terms)
                self.spent_s += time.perf_counter() - begun
                self.step += 1
                before, share = share, self.share
                self._record(share, factor, values)
                if share < 1 and self.loop.ranks.any(self.stop is not None):
                    self._interrupt()
                self._between(before, share)
            self.save()

    def _micro_batches(self) -> list[Batch]:
        ranks, count = self.loop.ranks, self.config.training.accumulate
        first, shards = ranks.index * count, ranks.count * count
        to = {"device": self.loop.device, "non_blocking": True}
        out: list[Batch] = []
        for i in range(count):
            batch = self.batches(self.step, first + i, shards)
            out.append({key: self._laid_out(x.to(**to)) for key, x in batch.items()})  # type: ignore[call-overload]
        return out

    def _laid_out(self, x: Tensor) -> Tensor:
        last = x.dim() == 4 and self.config.training.memory_format == "channels_last"
        return x.contiguous(memory_format=torch.channels_last) if last else x

    def _guarded(self, terms: dict[str, Tensor]) -> dict[str, float]:
        """The terms as numbers, the mean over ranks, so that all ranks decide alike; raises Diverged on lost ones.

        Between readings a GPU runs ahead, so it is read in two of twenty steps (some players move in every second
        alone), and before every save.
        """
        if self.loop.device.type != "cpu" and self.step % 20 > 1:
            return {}
        stacked = self.loop.ranks.mean(torch.stack([term.float() for term in terms.values()]))
        values = dict(zip(terms, stacked.tolist(), strict=True))
        for name, value in values.items():
            if not abs(value) <= self.config.training.explode:
                raise self.loop.ranks.said_once(Diverged(self._explain(name, value)))
        return values

    def _explain(self, name: str, value: float) -> str:
        saved = f"the state of step {self.saved_step} is kept" if self.saved_step else "nothing had been saved yet"
        return (
            f"training diverged at step {self.step}: {name} is {value:g}; {saved} in {self.folder.path}. Lower the "
            "rates (--rate, --critic-rate), use --precision fp32, or change --seed"
        )

    def _record(self, share: float, factor: float, values: dict[str, float]) -> None:
        if self.record is None or not values:
            return
        done = self.step - self.begun_step
        step_s = (self.spent_s - self.begun_s) / done
        left = duration(self.budget.remaining_s(self.step, self.spent_s, step_s))
        shown = "  ".join(f"{name} {value:.3g}" for name, value in values.items())
        speed = f"{1 / step_s:.1f} steps/s" if step_s < 1 else f"{step_s:.1f} s/step"
        self.record.progress(f"step {self.step}  {share:.0%}  {speed}  {left} left  {shown}")
        if self.spent_s - self.recorded_s >= RECORD_EVERY_S:
            self.recorded_s = self.spent_s
            self.record.terms(self.step, share, self.spent_s, factor, values)

    def _between(self, before: float, share: float) -> None:
        """What is due after a step: samples, an evaluation, a checkpoint. All ranks come to the same decisions."""
        settings = self.config.training
        if self._due(settings.sample_every, int(share * SAMPLES_A_RUN) > int(before * SAMPLES_A_RUN) or share >= 1):
            self._judged(lambda judge: judge.samples(self.step))
        overdue = evaluation_due(share, self.evaluated_share, self.spent_s, self.evaluation_s, self.evaluation_cost_s)
        if self._due(settings.evaluate_every, share >= 1 or bool(self.loop.ranks.share(overdue))):
            self._evaluate(share)
        late = time.monotonic() - self.saved_at > CHECKPOINT_EVERY_S
        if self._due(settings.checkpoint_every, bool(self.loop.ranks.share(late))):
            self.save()

    def _due(self, every: int | None, unset: bool) -> bool:
        if every is None:
            return unset
        return every > 0 and self.step % every == 0

    def _evaluate(self, share: float) -> None:
        begun = time.perf_counter()
        self.evaluated_share = share
        kid = self._judged(lambda judge: judge.evaluate(self.step, self.spent_s, self.best_kid))
        self.evaluation_cost_s = time.perf_counter() - begun
        self.evaluation_s += self.evaluation_cost_s
        if kid is not None and (self.best_kid is None or kid < self.best_kid):
            self.best_step, self.best_kid = self.step, kid
            self.save()
            self._save_model("best")

    def _judged(self, ask: Callable[[Judge], float | None]) -> float | None:
        """Let the first rank's judge look while the others wait; gradients and randomness stay as they are."""

        def asked() -> float | None:
            if self.judge is None:
                return None
            with torch.no_grad(), torch.random.fork_rng(devices=[]):
                return ask(self.judge)

        return self.loop.ranks.on_first(asked)  # type: ignore[no-any-return]

    def save(self) -> None:
        """Save all that resuming needs and the model; refuses to save lost numbers over good ones."""
        if self.step == self.saved_step:
            return
        lost = not all(bool(p.isfinite().all()) for p in self.loop.method.parameters())
        if self.loop.ranks.any(lost):
            raise self.loop.ranks.said_once(Diverged(self._explain("a network's weight", float("nan"))))
        progress = Progress(
            step=self.step,
            spent_s=self.spent_s,
            evaluation_s=self.evaluation_s,
            evaluated_share=self.evaluated_share,
            evaluation_cost_s=self.evaluation_cost_s,
            best_step=self.best_step,
            best_kid=self.best_kid,
            ranks=self.loop.ranks.count,
        )
        save_checkpoint(self.folder.checkpoints, self.loop, self.config.method, progress)
        self._save_model("last")
        self.saved_step, self.saved_at = self.step, time.monotonic()

    def _save_model(self, which: Checkpoint) -> None:
        """Save the averaged networks, after the checkpoint that they are from: then a resumed run can do it again."""
        path, method = self.folder.model(which), self.loop.averages.method
        self.loop.ranks.on_first(partial(save_model, path, method, self.config, self.step))

    def _interrupt(self) -> None:
        number = int(self.loop.ranks.share(self.stop or signal.SIGTERM))
        self.save()
        if not self.loop.ranks.first:
            raise Interrupted(number)
        done = f"stopped and saved at step {self.step}"
        raise Interrupted(number, done, f"unpaired train --resume {self.folder.path}")

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """Turn the first Ctrl-C or SIGTERM into a stop between steps; a second Ctrl-C stops at once."""
        stopped_at = 0.0

        def note(number: int, _: FrameType | None) -> None:
            nonlocal stopped_at
            if self.stop is None:
                self.stop, stopped_at = number, time.monotonic()
            elif number == signal.SIGINT and time.monotonic() - stopped_at > PASSED_ON_S:
                raise KeyboardInterrupt

        try:
            before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
        except ValueError:  # not the main thread: whoever called from there handles signals
            before = {}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
