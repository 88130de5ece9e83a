"""What a run leaves to look at while it trains: a progress line, TensorBoard scalars, sample grids, a history."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.text import Text
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from unpaired.evaluation.measure import RouteMeasures
from unpaired.media import image
from unpaired.runs.folder import RunFolder
from unpaired.runs.history import History
from unpaired.terminal import Say


class Record:
    """The first rank's record of a run; `say` gets whole lines, the live line goes to a terminal where there is one."""

    def __init__(self, folder: RunFolder, say: Say, resumed_at: int | None = None) -> None:
        self.folder = folder
        self.say = say
        self.history = History(folder.history)
        folder.samples.mkdir(exist_ok=True)
        if resumed_at is not None:
            self.history.rewind(resumed_at)
        self.board = SummaryWriter(str(folder.log), purge_step=None if resumed_at is None else resumed_at + 1)
        console = Console(stderr=True)
        self.live = Live(console=console, refresh_per_second=4, transient=True) if console.is_terminal else None
        if self.live is not None:
            self.live.start()
        self.last_line = time.monotonic()

    def progress(self, words: str) -> None:
        """Show the live line; without a terminal, a plain line every half minute."""
        if self.live is not None:
            self.live.update(Text(words, no_wrap=True, overflow="ellipsis"))
        elif time.monotonic() - self.last_line >= 30:
            self.say(words)
            self.last_line = time.monotonic()

    def terms(self, step: int, share: float, spent_s: float, rate_factor: float, terms: Mapping[str, float]) -> None:
        """Keep the terms of a step."""
        for name, value in terms.items():
            self.board.add_scalar(f"terms/{name}", value, step)
        self.board.add_scalar("rate_factor", rate_factor, step)
        self.history.add("terms", step, share=share, spent_s=round(spent_s, 3), terms=dict(terms))

    def evaluation(
        self, step: int, spent_s: float, measures: Sequence[RouteMeasures], mean: float | None, best_yet: float | None
    ) -> bool:
        """Keep an evaluation on held-back items and its `mean`; returns whether that is the lowest so far."""
        best = mean is not None and (best_yet is None or mean < best_yet)
        routes = [m.model_dump() for m in measures]
        spent_s = round(spent_s, 3)
        self.history.add("evaluation", step, spent_s=spent_s, set="validation", routes=routes, mean_kid=mean, best=best)
        return best

    def measures(self, step: int, measures: Mapping[str, float]) -> None:
        """Keep the figures of an evaluation as TensorBoard scalars."""
        for name, value in measures.items():
            self.board.add_scalar(f"measures/{name}", value, step)

    def samples(self, step: int, route: str, grid: Tensor) -> Path:
        """Keep a grid `(C, H, W)` in [-1, 1] as a PNG file and in TensorBoard; returns the file's path."""
        path = self.folder.samples / f"step-{step:09d}-{route}.png"
        image.write(path, image.from_tensor(grid, 0.0, 255.0, color=grid.shape[0] == 3), None, 8)
        self.board.add_image(f"samples/{route}", (grid.float().clamp(-1, 1) + 1) / 2, step)
        self.history.add("samples", step, route=route, file=str(path.relative_to(self.folder.path)))
        return path

    def notice(self, step: int, words: str) -> None:
        """Say something that the user should know, and keep it (once, however often a run is resumed)."""
        self.say(words)
        if all(line["words"] != words for line in self.history.read("notice")):
            self.history.add("notice", step, words=words)

    def close(self) -> None:
        """Flush and stop the live line."""
        if self.live is not None:
            self.live.stop()
        self.board.close()
