"""Trainer: runs the training loop to the end of the budget, with logs, evaluations, checkpoints and stop signals."""

from __future__ import annotations

import shlex
import signal
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from unpaired.config.run_config import RunConfig
from unpaired.console import format_duration
from unpaired.errors import DivergenceError, WorkError
from unpaired.methods.base import Batch, StepContext
from unpaired.runs.folder import Checkpoint, RunFolder, save_model
from unpaired.runs.progress import Budget, Progress
from unpaired.training.checkpoint import save_checkpoint
from unpaired.training.clock import SpeedMonitor, WorkClock, format_step_time
from unpaired.training.logging import TrainingLog
from unpaired.training.loop import TrainingLoop
from unpaired.training.schedule import compute_lr_factor, is_evaluation_due
from unpaired.training.step_report import OnStep, StepReport
from unpaired.training.stop_signals import StopSignals
from unpaired.training.validator import Validator

CHECKPOINT_EVERY_S = 120.0
LOG_EVERY_S = 1.0
SAMPLES_PER_RUN = 20
"""Defaults of the intervals: seconds between checkpoints, seconds of steps between loss records, grids per run."""


class TrainingInterrupt(Exception):
    """Training stopped after signal `number`, with its state saved.

    The message consists of `summary` and `resume_command`; it is empty on ranks other than the first.
    """

    def __init__(self, number: int, summary: str = "", resume_command: str = "") -> None:
        super().__init__(f"{summary}; continue with: {resume_command}" if summary else "")
        self.signal, self.summary = number, summary


class Trainer:
    """Train one run: execute steps, and between them log, evaluate, save and handle stop signals.

    Stops and saves happen only between steps, because a partial step cannot be resumed.
    """

    def __init__(
        self,
        config: RunConfig,
        folder: RunFolder,
        loop: TrainingLoop,
        load_batch: Callable[[int, int, int], Batch],
        training_log: TrainingLog | None,
        validator: Validator | None,
        progress: Progress,
        on_step: OnStep | None = None,
        expected_step_s: float | None = None,
    ) -> None:
        self.on_step, self.is_canceled = on_step, False
        self.config, self.folder, self.loop, self.load_batch = config, folder, loop, load_batch
        self.training_log, self.validator = training_log, validator
        self.step, self.spent_s, self.evaluation_s = progress.step, progress.spent_s, progress.evaluation_s
        self.best_step, self.best_value = progress.best_step, progress.best_value
        self.evaluations_since_best, self.pending_fraction = progress.evaluations_since_best, progress.pending_fraction
        self.budget = Budget(config.training.steps, config.training.minutes)
        # After the budget was raised, the spent fraction is smaller than at the last evaluation.
        self.evaluated_fraction = min(
            progress.evaluated_fraction, self.budget.spent_fraction(progress.step, progress.spent_s)
        )
        self.evaluation_cost_s = progress.evaluation_cost_s
        self.saved_step, self.saved_at, self.is_checkpoint_outdated = progress.step, time.monotonic(), False
        self.start_s, self.start_step = progress.spent_s, progress.step
        self.last_logged_s = float("-inf")
        self.stop_signals = StopSignals()
        self.clock, self.speed_monitor = WorkClock(), SpeedMonitor(expected_step_s)

    @property
    def budget_fraction(self) -> float:
        """Spent fraction of the budget in [0, 1], by the clock of the first rank."""
        return float(self.loop.distributed.broadcast(self.spent_fraction))

    @property
    def spent_fraction(self) -> float:
        """Spent fraction of the budget in [0, 1], by the clock of this rank."""
        return self.budget.spent_fraction(self.step, self.spent_s)

    @property
    def progress(self) -> Progress:
        """Progress to save in a checkpoint."""
        return Progress(
            step=self.step,
            spent_s=self.spent_s,
            evaluation_s=self.evaluation_s,
            evaluated_fraction=self.evaluated_fraction,
            evaluation_cost_s=self.evaluation_cost_s,
            best_step=self.best_step,
            best_value=self.best_value,
            evaluations_since_best=self.evaluations_since_best,
            pending_fraction=self.pending_fraction,
            world_size=self.loop.distributed.world_size,
        )

    @property
    def is_stopped_early(self) -> bool:
        """Whether `patience` evaluations have not improved the validation metric."""
        patience = self.config.training.patience
        return patience is not None and self.progress.is_out_of_patience(patience)

    def run(self) -> None:
        """Train to the end of the budget, or until `patience` evaluations have not improved the validation metric.

        Raises TrainingInterrupt after a stop signal, and DivergenceError if a loss or a weight diverges.
        """
        with self.stop_signals, self.clock:
            fraction = self.budget_fraction
            if self.pending_fraction is not None:
                if self.training_log is not None:  # a resumed run that was killed may have evaluated the step
                    self.training_log.discard_results(self.step)
                self._run_scheduled_tasks(self.pending_fraction, fraction)
                # It was saved before the evaluation of its step, and no other step follows.
                self.is_checkpoint_outdated = self.is_stopped_early
            while fraction < 1 and not self.is_stopped_early:
                started_s = self.clock.now()
                lr_factor = compute_lr_factor(fraction, self.config.training.lr_decay_start)
                losses = self.loop.step(self._load_or_save(), StepContext(self.step, fraction), lr_factor)
                values = self._check_losses(losses)
                step_s = self.clock.now() - started_s
                self.spent_s += step_s
                self.step += 1
                self._report_delays(step_s)
                previous_fraction, fraction = fraction, self.budget_fraction
                self._log_step(fraction, lr_factor, values)
                self.pending_fraction = previous_fraction
                if self._is_canceled_by_caller(fraction, values):
                    self.is_canceled = True
                    break
                if fraction < 1 and self.loop.distributed.any(self.stop_signals.received is not None):
                    self._interrupt()
                self._run_scheduled_tasks(previous_fraction, fraction)
            self.save()

    def _report_delays(self, step_s: float) -> None:
        """Log pauses of the process, and steps that are much slower than expected."""
        pause_s = self.clock.take_pause_s()
        slowdown = self.speed_monitor.add_step(step_s)
        if self.training_log is None:
            return
        if pause_s > 0:
            self.training_log.log(
                f"paused for about {format_duration(pause_s)}: not counted as training time (step {self.step})"
            )
        if slowdown is not None:
            now_s, expected_s = slowdown
            self.training_log.log_notice(
                self.step,
                f"slow steps: {format_step_time(now_s)} since about step {self.step}, expected "
                f"{format_step_time(expected_s)}. Other programs use this machine, or files are read slowly; fewer "
                "threads than cores (--threads) or a later start may help",
            )

    def _is_canceled_by_caller(self, fraction: float, losses: Mapping[str, float]) -> bool:
        """Call `on_step` on the first rank; return on every rank whether it requests a stop."""
        if self.on_step is None:
            return False
        wants_stop = (
            self.loop.distributed.is_first
            and self.on_step(StepReport(self.step, fraction, self.spent_s, losses)) is False
        )
        return fraction < 1 and self.loop.distributed.any(wants_stop)

    def _load_or_save(self) -> list[Batch]:
        """Load the micro-batches of a step; if that fails on one rank, as when data are gone, all save and raise."""
        micro_batches: list[Batch] = []
        try:
            self.loop.distributed.run_on_all(lambda: micro_batches.extend(self._load_micro_batches()))
        except WorkError:
            self.save()
            raise
        return micro_batches

    def _load_micro_batches(self) -> list[Batch]:
        distributed, count = self.loop.distributed, self.config.training.grad_accumulation
        first, total = distributed.rank * count, distributed.world_size * count
        transfer = {"device": self.loop.device, "non_blocking": True}
        micro_batches: list[Batch] = []
        for i in range(count):
            batch = self.load_batch(self.step, first + i, total)
            micro_batches.append({key: self._to_memory_format(x.to(**transfer)) for key, x in batch.items()})  # type: ignore[call-overload]
        return micro_batches

    def _to_memory_format(self, x: Tensor) -> Tensor:
        is_channels_last = x.dim() == 4 and self.config.training.memory_format == "channels_last"
        return x.contiguous(memory_format=torch.channels_last) if is_channels_last else x

    def _check_losses(self, losses: dict[str, Tensor]) -> dict[str, float]:
        """Return the losses as numbers, averaged over ranks; raises DivergenceError if one exceeds the threshold.

        On a GPU they are read in two consecutive steps of twenty only, because reading synchronizes the device; two,
        because some players update in every second step. In the other steps the result is empty.
        """
        if self.loop.device.type != "cpu" and self.step % 20 > 1:
            return {}
        stacked = self.loop.distributed.mean(torch.stack([loss.float() for loss in losses.values()]))
        values = dict(zip(losses, stacked.tolist(), strict=True))
        for name, value in values.items():
            if not abs(value) <= self.config.training.divergence_threshold:
                raise self.loop.distributed.mark_reported_once(DivergenceError(self._explain_divergence(name, value)))
        return values

    def _explain_divergence(self, name: str, value: float) -> str:
        saved = f"the state of step {self.saved_step} is kept" if self.saved_step else "nothing had been saved yet"
        return (
            f"training diverged at step {self.step}: {name} is {value:g}; {saved} in {self.folder.path}. Lower the "
            "learning rates (--lr, --lr-d), use --precision fp32, or change --seed"
        )

    def _log_step(self, budget_fraction: float, lr_factor: float, values: dict[str, float]) -> None:
        if self.training_log is None or not values:
            return
        step_count = self.step - self.start_step
        step_s = (self.spent_s - self.start_s) / step_count
        remaining = format_duration(self.budget.remaining_s(self.step, self.spent_s, step_s))
        losses_text = "  ".join(f"{name} {value:.3g}" for name, value in values.items())
        speed = f"{1 / step_s:.1f} steps/s" if step_s < 1 else f"{step_s:.1f} s/step"
        self.training_log.log_progress(
            f"step {self.step}  {budget_fraction:.0%}  {speed}  {remaining} left  {losses_text}"
        )
        if self.spent_s - self.last_logged_s >= LOG_EVERY_S:
            self.last_logged_s = self.spent_s
            self.training_log.log_losses(self.step, budget_fraction, self.spent_s, lr_factor, values)

    def _run_scheduled_tasks(self, previous_fraction: float, budget_fraction: float) -> None:
        """Log samples, evaluate and save a checkpoint if they are due; all ranks make the same decisions."""
        settings = self.config.training
        self.pending_fraction = None
        if self._is_due(
            settings.sample_every,
            int(budget_fraction * SAMPLES_PER_RUN) > int(previous_fraction * SAMPLES_PER_RUN) or budget_fraction >= 1,
        ):
            self._run_validator(lambda validator: validator.log_samples(self.step))
        is_due = is_evaluation_due(
            budget_fraction, self.evaluated_fraction, self.spent_s, self.evaluation_s, self.evaluation_cost_s
        )
        if self._is_due(settings.evaluate_every, budget_fraction >= 1 or bool(self.loop.distributed.broadcast(is_due))):
            self._evaluate(budget_fraction)
        is_late = time.monotonic() - self.saved_at > CHECKPOINT_EVERY_S
        if self._is_due(settings.checkpoint_every, bool(self.loop.distributed.broadcast(is_late))):
            self.save()

    def _is_due(self, every: int | None, is_due_by_default: bool) -> bool:
        if every is None:
            return is_due_by_default
        return every > 0 and self.step % every == 0

    def _evaluate(self, budget_fraction: float) -> None:
        if self.training_log is not None:
            self.training_log.show_activity(f"step {self.step}  measuring the validation items ...")
        started_s = self.clock.now()
        self.evaluated_fraction = budget_fraction
        value = self._run_validator(lambda validator: validator.evaluate(self.step, self.spent_s, self.best_value))
        self.evaluation_cost_s = self.clock.now() - started_s
        self.evaluation_s += self.evaluation_cost_s
        metric = self.config.get_medium().validation_metric
        if value is None:
            return
        self.evaluations_since_best += 1
        if self.best_value is None or metric.is_better(value, self.best_value):
            self.best_step, self.best_value, self.evaluations_since_best = self.step, value, 0
            self.save()
            self._save_model("best")

    def _run_validator(self, action: Callable[[Validator], float | None]) -> float | None:
        """Call `action` with the first rank's validator, while the other ranks wait; return the result on every rank.

        Runs without gradients and restores the random state afterwards.
        """

        def run_action() -> float | None:
            if self.validator is None:
                return None
            with torch.no_grad(), torch.random.fork_rng(devices=[]):
                return action(self.validator)

        return self.loop.distributed.run_on_first(run_action)  # type: ignore[no-any-return]

    def save(self) -> None:
        """Save a checkpoint and the model; raises DivergenceError instead if a weight is not finite."""
        if self.step == self.saved_step and not self.is_checkpoint_outdated:
            return
        is_nonfinite = not all(bool(p.isfinite().all()) for p in self.loop.method.parameters())
        if self.loop.distributed.any(is_nonfinite):
            raise self.loop.distributed.mark_reported_once(
                DivergenceError(self._explain_divergence("a network's weight", float("nan")))
            )
        save_checkpoint(self.folder.checkpoints, self.loop, self.config.method, self.progress)
        self._save_model("last")
        self.saved_step, self.saved_at, self.is_checkpoint_outdated = self.step, time.monotonic(), False

    def _save_model(self, checkpoint: Checkpoint) -> None:
        """Save the EMA networks, always after the checkpoint, so that a resumed run can repeat it after a kill."""
        path, method = self.folder.model_path(checkpoint), self.loop.ema.method
        self.loop.distributed.run_on_first(partial(save_model, path, method, self.config, self.step))

    def _interrupt(self) -> None:
        """Save and raise TrainingInterrupt."""
        number = int(self.loop.distributed.broadcast(self.stop_signals.received or signal.SIGTERM))
        self.save()
        if not self.loop.distributed.is_first:
            raise TrainingInterrupt(number)
        summary = f"stopped and saved at step {self.step}"
        raise TrainingInterrupt(number, summary, format_resume_command(self.folder.path))


def format_resume_command(run: Path) -> str:
    """Return the command that continues a run, quoted for a shell."""
    return shlex.join(("unpaired", "train", "--resume", str(run)))
