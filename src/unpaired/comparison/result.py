"""Results of a comparison, as stored in `compare.json` and shown on the page."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from unpaired.comparison.folder import State
from unpaired.config.settings import StrictModel
from unpaired.media import MEDIA, Medium
from unpaired.metrics.base import Metric, RouteEvaluation


class HiddenInformation(StrictModel):
    """Hidden information of one direction (fraction of the input) and its standard error."""

    fraction: float
    error: float


class SeedResult(StrictModel):
    """Progress and metrics of one run: a method trained with one seed."""

    seed: int
    run: str = Field(description="name of the run's folder")
    state: State
    reason: str = ""
    steps: int = 0
    seconds: float = 0.0
    routes: tuple[RouteEvaluation, ...] = ()

    @property
    def has_failed(self) -> bool:
        """Whether the run failed or diverged."""
        return self.state in ("failed", "diverged")

    def format_label(self, method: str, seed_count: int) -> str:
        """Return the method, and the seed if it was trained with several."""
        return f"{method}, seed {self.seed}" if seed_count > 1 else method


class MethodResult(StrictModel):
    """Training progress, cost and metrics of one method: of one run, or means over its runs with different seeds."""

    method: str
    paper: str
    state: State
    reason: str = Field("", description="reason for a failure")
    steps: int = Field(0, description="number of training steps of a run")
    seconds: float = Field(0.0, description="duration of the training steps of a run in seconds")
    precision: str = ""
    checkpoint: str = Field("", description="measured checkpoint")
    checkpoint_step: int = Field(0, description="step of the measured checkpoint")
    parameters: int = Field(0, description="number of parameters of the networks that translate")
    total_parameters: int = Field(0, description="number of parameters of all networks, including discriminators")
    translate_s: float | None = Field(None, description="time to translate one item in seconds")
    is_still_improving: bool = Field(False, description="whether the validation metric still improved at the end")
    measured_on: str = ""
    routes: tuple[RouteEvaluation, ...] = ()
    hidden: dict[str, HiddenInformation] = Field(
        {}, description="hidden information by direction, if the run was audited"
    )
    seeds: tuple[SeedResult, ...] = Field((), description="runs of the method, one per seed")

    @property
    def finished_seeds(self) -> int:
        """Number of runs that were trained and measured."""
        return sum(seed.state == "done" for seed in self.seeds)

    @property
    def failed_seeds(self) -> tuple[SeedResult, ...]:
        """Runs that failed or diverged."""
        return tuple(seed for seed in self.seeds if seed.has_failed)

    @property
    def state_label(self) -> str:
        """State as shown in a table."""
        return "not finished" if self.state == "waiting" else self.state

    @property
    def step_s(self) -> float | None:
        """Duration of a training step in seconds; None before the first step."""
        return self.seconds / self.steps if self.steps else None

    def get_route(self, direction: str) -> RouteEvaluation | None:
        """Return the metrics of a direction ("a -> b"); None if the method does not support it or is not done."""
        return next((r for r in self.routes if r.route == direction), None) if self.state == "done" else None


class Comparison(StrictModel):
    """Settings and results of a comparison."""

    unpaired: str
    path: str
    domains: tuple[str, ...]
    train_counts: tuple[int, ...] = Field(description="number of training items of each domain")
    budget: str = Field(description="training budget of each method")
    preset: str
    medium: str
    size: int = Field(description="size or length of a training item")
    item_size: str = Field(description="description of `size`")
    batch_size: int
    seeds: tuple[int, ...] = Field(description="seeds that the methods were trained with")
    device: str
    pairs: bool
    settings: dict[str, dict[str, Any]] = Field(description="resolved settings by method, those of its first seed")
    results: tuple[MethodResult, ...]
    excluded: dict[str, str] = Field(description="methods that do not support the data -> reason")

    @property
    def batch_sizes(self) -> str:
        """Batch size of all methods, or the range from the smallest to the largest."""
        sizes = sorted({method["training"]["batch_size"] for method in self.settings.values()} or {self.batch_size})
        return f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"

    @property
    def has_spread(self) -> bool:
        """Whether a method was measured with several seeds, so that its values are means with a spread."""
        return any(result.finished_seeds > 1 for result in self.results)

    @property
    def finished(self) -> tuple[MethodResult, ...]:
        """Methods that were trained and measured."""
        return tuple(r for r in self.results if r.state == "done")

    @property
    def directions(self) -> tuple[str, ...]:
        """Directions on which at least one method was measured."""
        return tuple(dict.fromkeys(route.route for r in self.finished for route in r.routes))

    def get_medium(self) -> Medium:
        """Return the medium of the data."""
        return MEDIA[self.medium]

    def get_routes(self, direction: str | None = None) -> list[RouteEvaluation]:
        """Return the metrics of all finished methods, for one direction or for all."""
        return [route for r in self.finished for route in r.routes if direction in (None, route.route)]

    def get_baseline(self, direction: str, name: str, metric: Metric) -> float | None:
        """Return the value of a baseline in a direction, from the first method that has one; None if none has."""
        values = (route.baseline(name, metric) for route in self.get_routes(direction))
        return next((value for value in values if value is not None), None)
