"""What is known of a comparison: plain values, which `compare.json` holds and the page shows."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from unpaired.comparison.folder import State
from unpaired.config.settings import StrictModel
from unpaired.media.image.measurement import RouteMeasures
from unpaired.media.voice.metrics.measurement import VoiceMeasures


class HiddenInformation(StrictModel):
    """Hidden information of one direction, a share of the input, and its standard error."""

    fraction: float
    error: float


class MethodResult(StrictModel):
    """One method: how its training went, what it costs, and the measures of its routes."""

    method: str
    paper: str
    state: State
    reason: str = Field("", description="why it failed")
    steps: int = Field(0, description="steps made")
    seconds: float = Field(0.0, description="seconds of steps")
    precision: str = ""
    checkpoint: str = Field("", description="the checkpoint that was measured")
    checkpoint_step: int = Field(0, description="its step")
    parameters: int = Field(0, description="parameters of the networks that translate")
    total_parameters: int = Field(0, description="parameters in all, critics and helpers too")
    translate_s: float | None = Field(None, description="seconds to translate one item, a few at once")
    is_still_improving: bool = Field(False, description="whether its KID was still falling when the budget ended")
    measured_on: str = ""
    routes: tuple[RouteMeasures, ...] = ()
    voices: tuple[VoiceMeasures, ...] = Field((), description="of recordings, in place of routes")
    hidden: dict[str, HiddenInformation] = Field({}, description="of each direction, where the run was audited")

    @property
    def state_label(self) -> str:
        """What a table says of it."""
        return "not finished" if self.state == "waiting" else self.state

    @property
    def step_s(self) -> float | None:
        """Seconds per step."""
        return self.seconds / self.steps if self.steps else None

    def get_route(self, direction: str) -> RouteMeasures | None:
        """The measures of a direction ("a -> b"), where the method offers it and was measured."""
        return next((r for r in self.routes if r.route == direction), None) if self.state == "done" else None

    def get_voice_route(self, direction: str) -> VoiceMeasures | None:
        """The same of recordings."""
        return next((r for r in self.voices if r.route == direction), None) if self.state == "done" else None


class Comparison(StrictModel):
    """A whole comparison."""

    unpaired: str
    path: str
    domains: tuple[str, ...]
    train_counts: tuple[int, ...] = Field(description="items of each domain to train on")
    budget: str = Field(description="of each method")
    preset: str
    medium: str = "image"
    size: int
    batch_size: int
    seed: int
    device: str
    pairs: bool
    settings: dict[str, dict[str, Any]] = Field(description="the resolved settings of each method")
    results: tuple[MethodResult, ...]
    excluded: dict[str, str] = Field(description="methods that do not fit the data, and why")
    baselines: tuple[VoiceMeasures, ...] = Field(
        (), description="of recordings: what needs no training, and the target"
    )

    @property
    def batch_sizes(self) -> str:
        """Items of each domain per step: of all methods, or from the fewest to the most."""
        sizes = sorted({method["training"]["batch_size"] for method in self.settings.values()} or {self.batch_size})
        return f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"

    @property
    def directions(self) -> tuple[str, ...]:
        """Every direction that some method was measured on."""
        done = [r for r in self.results if r.state == "done"]
        measured = [[m.route for m in r.routes] + [m.route for m in r.voices] for r in done]
        return tuple(dict.fromkeys(route for routes in measured for route in routes))
