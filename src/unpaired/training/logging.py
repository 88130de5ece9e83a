"""What a run leaves to look at while it trains: a progress line, TensorBoard scalars, sample grids, a history."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from rich.live import Live
from rich.text import Text
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from unpaired.console import LogCallback, create_error_console
from unpaired.file_names import shorten_name
from unpaired.media.image import image_io
from unpaired.media.image.measurement import RouteMeasures
from unpaired.runs.folder import RunFolder
from unpaired.runs.history import History


class TrainingLog:
    """The first rank's record of a run; `say` gets whole lines, the live line goes to a terminal where there is one."""

    def __init__(self, folder: RunFolder, log: LogCallback, resumed_at: int | None = None) -> None:
        self.folder = folder
        self.log = log
        self.history = History(folder.history)
        folder.samples.mkdir(exist_ok=True)
        if resumed_at is not None:
            self.history.rewind(resumed_at)
        self.tensorboard = SummaryWriter(
            str(folder.tensorboard), purge_step=None if resumed_at is None else resumed_at + 1
        )
        console = create_error_console()
        self.live_display = Live(console=console, refresh_per_second=4, transient=True) if console.is_terminal else None
        if self.live_display is not None:
            self.live_display.start()
        self.last_line_at = time.monotonic()

    def log_progress(self, message: str) -> None:
        """Show the live line; without a terminal, a plain line every half minute."""
        if self.live_display is not None:
            self.live_display.update(Text(message, no_wrap=True, overflow="ellipsis"))
        elif time.monotonic() - self.last_line_at >= 30:
            self.log(message)
            self.last_line_at = time.monotonic()

    def log_losses(
        self, step: int, budget_fraction: float, spent_s: float, lr_factor: float, terms: Mapping[str, float]
    ) -> None:
        """Keep the terms of a step."""
        for name, value in terms.items():
            self.tensorboard.add_scalar(f"losses/{name}", value, step)
        self.tensorboard.add_scalar("lr_factor", lr_factor, step)
        self.history.add("losses", step, budget_fraction=budget_fraction, spent_s=round(spent_s, 3), losses=dict(terms))

    def log_evaluation(
        self,
        step: int,
        spent_s: float,
        metrics: Sequence[RouteMeasures],
        validation_metric: float | None,
        best_metric: float | None,
    ) -> bool:
        """Keep an evaluation on held-back items and its `mean`; returns whether that is the lowest so far."""
        is_best = validation_metric is not None and (best_metric is None or validation_metric < best_metric)
        routes = [m.model_dump() for m in metrics]
        spent_s = round(spent_s, 3)
        self.history.add(
            "evaluation",
            step,
            spent_s=spent_s,
            set="validation",
            routes=routes,
            validation_metric=validation_metric,
            best=is_best,
        )
        return is_best

    def log_metrics(self, step: int, measures: Mapping[str, float]) -> None:
        """Keep the figures of an evaluation as TensorBoard scalars."""
        for name, value in measures.items():
            self.tensorboard.add_scalar(f"metrics/{name}", value, step)

    def log_samples(self, step: int, route: str, grid: Tensor) -> Path:
        """Keep a grid `(C, H, W)` in [-1, 1] as a PNG file and in TensorBoard; returns the file's path."""
        path = self.folder.samples / shorten_name(f"step-{step:09d}-{route}.png")
        image_io.write_image(path, image_io.from_tensor(grid, 0.0, 255.0, is_color=grid.shape[0] == 3), None, 8)
        self.tensorboard.add_image(f"samples/{route}", (grid.float().clamp(-1, 1) + 1) / 2, step)
        self.history.add("samples", step, route=route, file=str(path.relative_to(self.folder.path)))
        return path

    def log_notice(self, step: int, message: str) -> None:
        """Say something that the user should know, and keep it (once, however often a run is resumed)."""
        self.log(message)
        if all(line["message"] != message for line in self.history.read("notice")):
            self.history.add("notice", step, message=message)

    def close(self) -> None:
        """Flush and stop the live line."""
        if self.live_display is not None:
            self.live_display.stop()
        with suppress(OSError):  # a full disk, which was said before
            self.tensorboard.close()
