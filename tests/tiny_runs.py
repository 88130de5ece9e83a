"""Runs that translate in milliseconds, and a method with a known result."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from unpaired.config.run_config import RunConfig, write_config
from unpaired.data.domain import Domain
from unpaired.media.image.settings import ImageStatistics
from unpaired.methods.base import Batch, Method, StepContext, Turns
from unpaired.routes import Route
from unpaired.runs.folder import RunFolder, save_model
from unpaired.runs.method_builder import build_method


class Known(Method):
    """Method without networks that multiplies its input by `change`, from X to Y and back."""

    def __init__(self, change: float = 1.0, stride: int = 4, one_way: bool = False) -> None:
        super().__init__()
        self.change = change
        self.stride = stride
        self.players, self.loss_weights = {}, {}
        self.routes = (Route("X", "Y", ()),) if one_way else (Route("X", "Y", ()), Route("Y", "X", ()))
        self.seen: list[tuple[int, ...]] = []

    def play(self, batch: Batch, now: StepContext) -> Iterator[Turns]:
        yield from ()

    def translate(self, x: Tensor, source: str, target: str) -> Tensor:
        assert x.shape[-2] % self.stride == 0 and x.shape[-1] % self.stride == 0
        self.seen.append(tuple(x.shape))
        return x * self.change


def domain(name: str, color: bool = True, bits: Literal[8, 16, 32] = 8, low: float = 0, high: float = 255) -> Domain:
    statistics = ImageStatistics(color=color, bits=bits, low=low, high=high)
    return Domain(name=name, sources=(f"data/{name}",), statistics=statistics)


def config(
    *domains: Domain,
    resize_mode: Literal["scale", "crop"] = "scale",
    size: int = 16,
    channels: int = 3,
    **more: Any,
) -> RunConfig:
    return RunConfig.model_validate(
        {
            "unpaired_version": "0",
            "method": more.pop("method", "cyclegan"),
            "preset": "tiny",
            "method_settings": more,
            "medium": "image",
            "medium_settings": {"size": size, "resize_mode": resize_mode, "channels": channels},
            "domains": domains or (domain("photos"), domain("paintings")),
            "data": {},
            "networks": {"width": 4, "blocks": 1, "discriminator_width": 4, "discriminator_layers": 1},
            "training": {},
        }
    )


def make_run(folder: Path, settings: RunConfig | None = None, seed: int = 0) -> Path:
    """Write a run's folder with an untrained model; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = settings or config()
    torch.manual_seed(seed)
    write_config(RunFolder(folder).config, settings)
    save_model(RunFolder(folder).model_path("last"), build_method(settings), settings, 0)
    return folder
