"""Log of training: progress line, TensorBoard scalars, experiment tracker, sample grids and the history file."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rich.live import Live
from rich.text import Text
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from unpaired.console import LogCallback, create_error_console
from unpaired.errors import WorkError, format_system_error
from unpaired.file_names import shorten_name
from unpaired.media.pictures import save_grid
from unpaired.metrics.base import Metric, RouteEvaluation, average_with_error
from unpaired.metrics.trend import TrendPoint, describe_decline, find_decline
from unpaired.networks.rgb import to_rgb
from unpaired.runs.folder import RunFolder
from unpaired.runs.history import History
from unpaired.training.experiment_loggers import ExperimentLogger


class TrainingLog:
    """Log of a run, on the first rank only. `log` receives lines; on a terminal, a live line shows the progress.

    `max_width` is the number of characters in a line of the terminal; None elsewhere.
    `resumed_at` is the step that the run resumes at; later records are removed from the history and TensorBoard.
    `tracker` gets the scalars and sample grids too; None: no tracker is used. Its methods raise WorkError if the run's
    folder cannot be written.
    """

    def __init__(
        self,
        folder: RunFolder,
        log: LogCallback,
        resumed_at: int | None = None,
        tracker: ExperimentLogger | None = None,
    ) -> None:
        self.folder = folder
        self.log = log
        self._tracker = tracker
        self.history = History(folder.history)
        with self._report_write_errors():
            folder.samples.mkdir(exist_ok=True)
        if resumed_at is not None:
            self.history.rewind(resumed_at)
        self._trend_points = [
            TrendPoint(line["step"], line["value"], line.get("error"))
            for line in self.history.read("evaluation")
            if line["value"] is not None
        ]
        self._decline_step: int | None = None
        self.tensorboard = self._open_tensorboard(None if resumed_at is None else resumed_at + 1)
        console = create_error_console()
        self.live_display = Live(console=console, refresh_per_second=4, transient=True) if console.is_terminal else None
        if self.live_display is not None:
            self.live_display.start()
        self.max_width = console.width if console.is_terminal else None
        self.last_line_at = time.monotonic()

    def _open_tensorboard(self, purge_step: int | None) -> SummaryWriter:
        """Open a new file of TensorBoard, which then ignores the records from `purge_step` on in earlier files."""
        with self._report_write_errors():
            return SummaryWriter(str(self.folder.tensorboard), purge_step=purge_step)

    def discard_results(self, step: int) -> None:
        """Remove the evaluation and the samples of the last step, before they are made again.

        They are removed from the history and TensorBoard; trackers cannot remove records.
        """
        self.history.rewind(step, ("evaluation", "samples"))
        self._trend_points = [point for point in self._trend_points if point.step < step]
        with self._report_write_errors():
            self.tensorboard.close()
        self.tensorboard = self._open_tensorboard(step)
        for line in self.history.read("losses"):  # the new file hides all records of the step, also its losses
            if line["step"] == step:
                self._add_scalars(step, {f"losses/{name}": value for name, value in line["losses"].items()})

    @contextmanager
    def _report_write_errors(self) -> Iterator[None]:
        """Context for writes to the run's folder: raises WorkError for a system error."""
        try:
            yield
        except OSError as error:
            reason = format_system_error(error)
            raise WorkError(
                f"{self.folder.path}: cannot be written ({reason}); the last checkpoint is complete"
            ) from error

    def add_record(self, kind: str, step: int, **fields: Any) -> None:
        """Add a record to the history."""
        with self._report_write_errors():
            self.history.add(kind, step, **fields)

    def log_progress(self, message: str) -> None:
        """Show `message` as the live line; without a terminal, log it every 30 seconds."""
        if self.live_display is not None:
            self.live_display.update(Text(message, no_wrap=True, overflow="ellipsis"))
        elif time.monotonic() - self.last_line_at >= 30:
            self.log(message)
            self.last_line_at = time.monotonic()

    def show_activity(self, message: str) -> None:
        """Show `message` as the live line; without a terminal, do nothing."""
        if self.live_display is not None:
            self.log_progress(message)

    def log_losses(
        self, step: int, budget_fraction: float, spent_s: float, lr_factor: float, losses: Mapping[str, float]
    ) -> None:
        """Log the losses of a step by name (`player.loss`) to TensorBoard and the history."""
        self._log_scalars(step, {**{f"losses/{name}": value for name, value in losses.items()}, "lr_factor": lr_factor})
        self.add_record("losses", step, budget_fraction=budget_fraction, spent_s=round(spent_s, 3), losses=dict(losses))

    def log_evaluation(
        self,
        step: int,
        spent_s: float,
        routes: Sequence[RouteEvaluation],
        metric: Metric,
        value: float | None,
        best_value: float | None,
    ) -> bool:
        """Add an evaluation on the validation split to the history; returns whether `value` is the best so far.

        Logs once for each best value that the metric has become worse since.
        """
        is_best = value is not None and (best_value is None or metric.is_better(value, best_value))
        error = average_with_error(routes, metric)[1]
        self.add_record(
            "evaluation",
            step,
            spent_s=round(spent_s, 3),
            set="validation",
            routes=[route.model_dump() for route in routes],
            metric=metric.name,
            value=value,
            error=error,
            best=is_best,
        )
        if value is not None:
            self._trend_points.append(TrendPoint(step, value, error))
            self._log_decline(metric)
        return is_best

    def _log_decline(self, metric: Metric) -> None:
        decline = find_decline(self._trend_points, metric)
        if decline is not None and decline.best.step != self._decline_step:
            self._decline_step = decline.best.step
            self.log(describe_decline(self._trend_points, metric))

    def log_metrics(self, step: int, routes: Sequence[RouteEvaluation]) -> None:
        """Log the metrics of routes and of their baselines as scalars."""
        scalars: dict[str, float] = {}
        for route in routes:
            for name, value in route.values.items():
                scalars[f"metrics/{name}/{route.route}"] = value
            for baseline, values in route.baselines.items():
                for name, value in values.items():
                    scalars[f"metrics/{name} ({baseline})/{route.route}"] = value
        self._log_scalars(step, scalars)

    def _add_scalars(self, step: int, scalars: Mapping[str, float]) -> None:
        with self._report_write_errors():
            for name, value in scalars.items():
                self.tensorboard.add_scalar(name, value, step)

    def _log_scalars(self, step: int, scalars: Mapping[str, float]) -> None:
        self._add_scalars(step, scalars)
        if self._tracker is not None and scalars:
            self._tracker.log_scalars(step, scalars)

    def log_samples(self, step: int, route: str, grid: Tensor) -> Path:
        """Save a grid `(C, H, W)` in [-1, 1] as a PNG file and in TensorBoard; returns the file's path."""
        path = self.folder.samples / shorten_name(f"step-{step:09d}-{route}.png")
        save_grid(path, grid)
        with self._report_write_errors():
            self.tensorboard.add_image(f"samples/{route}", (to_rgb(grid[None].float().clamp(-1, 1))[0] + 1) / 2, step)
        if self._tracker is not None:
            self._tracker.log_image(step, f"samples/{route}", path)
        self.add_record("samples", step, route=route, file=str(path.relative_to(self.folder.path)))
        return path

    def log_notice(self, step: int, message: str) -> None:
        """Log a message for the user, and add it to the history unless it already contains this message."""
        self.log(message)
        if all(line["message"] != message for line in self.history.read("notice")):
            self.add_record("notice", step, message=message)

    def close(self) -> None:
        """Stop the live line, flush TensorBoard's files, and end the tracker's record."""
        if self.live_display is not None:
            self.live_display.stop()
        with suppress(OSError):  # a full disk, which was reported before
            self.tensorboard.close()
        if self._tracker is not None:
            self._tracker.close()
