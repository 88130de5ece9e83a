"""Values that media and the rest of the package pass to each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from pydantic import Field

from unpaired.config.settings import NetworkSettings, Preset, StrictModel

if TYPE_CHECKING:
    import torch

    from unpaired.console import ProgressCallback
    from unpaired.data.domain import Domain
    from unpaired.data.split import DomainSplits, SplitName
    from unpaired.metrics.base import RouteEvaluation
    from unpaired.runs.folder import RunFolder, TrainedModel
    from unpaired.translate.pipeline import FilePipeline
    from unpaired.translate.translator import Translator

PresetValues = Mapping[Preset, Mapping[str, Mapping[str, Any]]]
"""Preset -> section ("medium_settings", "networks", "training") -> setting -> value; overrides the papers' defaults."""


class EvaluateOptions(StrictModel):
    """Options of `evaluate` and `compare` that a medium adds; each field becomes a flag."""


class TranslateOptions(StrictModel):
    """Options of `translate`, and those that a medium adds; each field becomes a flag."""

    tag: bool = Field(
        False, description="mark outputs in their metadata as synthetic, in formats that have metadata for it"
    )


class ConvertOptions(StrictModel):
    """Options of `convert` that a medium adds; each field becomes a flag."""


@dataclass(frozen=True, eq=False)
class FittedConverter:
    """Converter to domain `target`, fitted without training; `notes` describe problems with files."""

    target: str
    pipeline: FilePipeline[Any, Any]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class EvaluationRequest:
    """Request of an evaluation: measure a run's model on one split of `splits`.

    At most `limit` items of each domain are measured (None: the medium's default). `pairs`: items with equal names are
    true pairs. `load_training_splits` returns the splits that the run was trained with, None if their lists are
    missing. Baselines of routes in `known_baselines` need not be measured again.
    """

    folder: RunFolder
    model: TrainedModel
    splits: Sequence[DomainSplits]
    split: SplitName
    pairs: bool
    limit: int | None
    options: EvaluateOptions
    device: torch.device
    progress: ProgressCallback
    load_training_splits: Callable[[], Sequence[DomainSplits] | None]
    known_baselines: Sequence[RouteEvaluation] = ()


@dataclass(frozen=True)
class MeasuredRoutes:
    """Evaluations of all routes, on up to `limit` items of each domain, with the options in use."""

    routes: tuple[RouteEvaluation, ...]
    limit: int
    options: Mapping[str, Any] = field(default_factory=dict)


PreviewKind = Literal["picture", "sound", "clip"]


class Preview(NamedTuple):
    """Version of a file that browsers show, and what they show it as."""

    kind: PreviewKind
    path: Path


@dataclass(frozen=True)
class NetworkInput:
    """Input of a medium's networks along a route, for programs that run an exported network.

    `shape` (C, H, W) is that of a training item; `is_resizable` says whether H and W may be other multiples of the
    networks' stride. `preprocessing` and `postprocessing` describe exactly how files become inputs, and outputs files.
    """

    shape: tuple[int, int, int]
    is_resizable: tuple[bool, bool]
    preprocessing: str
    postprocessing: str


class Demonstrator(Protocol):
    """Writer of examples for a comparison: translations of the same inputs by each method."""

    def demonstrate(self, method: str, translator: Translator, run: RunFolder) -> float | None:
        """Write the examples of a method; returns the seconds per item, None if they were not measured."""


@dataclass(frozen=True)
class Inspection:
    """Result of inspecting a run's files before training, with the settings that were decided from it.

    `domains` and `splits` are those of the listed collections, in their order. `resolve_networks` completes the network
    settings once the run's domains are known (with labeled collections, these differ from the listed ones).
    `item_counts` has the number of training items of each collection if a file contains several, else it is empty.
    `pretrained` maps the names of pretrained networks that the medium uses to the SHA-256 of their weights.
    `measure_distance` returns how far the value histograms of the run's domains are apart, as a fraction of the range;
    None if the medium has no such distance.
    """

    medium_settings: StrictModel
    domains: tuple[Domain, ...]
    splits: Sequence[DomainSplits]
    resolve_networks: Callable[[Sequence[Domain], Sequence[DomainSplits]], NetworkSettings]
    item_counts: Sequence[int] = ()
    pretrained: Mapping[str, str] = field(default_factory=dict)
    measure_distance: Callable[[Sequence[Domain], Sequence[DomainSplits]], float] | None = None


@dataclass(frozen=True)
class CheckResult:
    """Text of `unpaired check`, whether training is possible, and the unreadable files with reasons."""

    text: str
    is_usable: bool
    unreadable: Mapping[str, str]
