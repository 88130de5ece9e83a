"""A medium for tests: one-dimensional signals in .signal files. It is all that a new medium has to write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor, nn

from unpaired.atomic import atomic_write
from unpaired.config.model_description import ModelDescription
from unpaired.config.resolve import Settings
from unpaired.config.run_config import RunConfig
from unpaired.config.settings import NetworkSettings, StrictModel
from unpaired.console import LogCallback, ProgressCallback
from unpaired.data.batches import BatchLoader
from unpaired.data.domain import DOMAIN_KEYS, Domain
from unpaired.data.folders import DomainFiles
from unpaired.data.paths import Paths
from unpaired.data.split import SplitName, split_files
from unpaired.errors import UnreadableFileError, UsageError
from unpaired.labels import Labels, create_domain_labels
from unpaired.media.base import Medium
from unpaired.media.interface import CheckResult, EvaluationRequest, Inspection, MeasuredRoutes, PresetValues
from unpaired.methods.base import Method
from unpaired.metrics.base import DOING_NOTHING, Baseline, Metric, RouteEvaluation, average_routes
from unpaired.networks import NetworkFactory
from unpaired.networks.blocks import Role
from unpaired.runs.files import build_item_transform
from unpaired.runs.folder import RunFolder
from unpaired.training.finish import finish_training
from unpaired.training.logging import TrainingLog
from unpaired.translate.network import TranslationNetwork
from unpaired.translate.pipeline import Destination
from unpaired.translate.route_request import TranslationRequest

if TYPE_CHECKING:
    from unpaired.training.listing import DataListing

Signal = npt.NDArray[np.float32]
MEAN_ERROR = Metric("mean_error", "error of the mean", "lower", 3, "difference of the mean levels of both domains")


class SignalSettings(StrictModel):
    """Settings of signals."""

    length: int = Field(32, ge=4, description="samples of a training item")


class SignalStatistics(StrictModel):
    """Statistics of a domain's signals."""

    peak: float = Field(description="largest absolute value; it becomes 1 in tensors")


def read_signal(path: Path) -> Signal:
    """Read the samples (T,) of a file; raises UnreadableFileError."""
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UnreadableFileError(path, f"cannot be read ({error})") from error
    if values.ndim != 1 or not len(values):
        raise UnreadableFileError(path, f"has the shape {values.shape}; expected samples (T,)")
    return cast("Signal", values.astype(np.float32))


def read_domain(files: DomainFiles, unreadable: dict[str, str]) -> list[Signal]:
    """Read the training signals of a domain; those that cannot be read go to `unreadable` with the reason."""
    signals = []
    for i in range(len(files.train)):
        try:
            signals.append(read_signal(files.train.get_path(i)))
        except UnreadableFileError as error:
            unreadable[str(error.path)] = error.reason
    return signals


@dataclass(frozen=True)
class SignalTransform:
    """Transform to crops (1, 1, length) in [-1, 1]."""

    length: int

    @property
    def pretrained(self) -> Mapping[str, str]:
        """Empty: there is no pretrained network."""
        return {}

    @property
    def context_channels(self) -> int:
        """0: training examples have the channels of the networks."""
        return 0

    def load(self, path: Path, domain: Domain, training: bool) -> Signal:
        """Read the scaled samples (T,)."""
        return read_signal(path) / get_peak(domain)

    def crop(self, loaded_item: Signal, random_values: tuple[float, float, float]) -> Signal:
        """Return a crop at a random position; short signals are repeated."""
        start = int(random_values[0] * len(loaded_item))
        return loaded_item[None, None, (start + np.arange(self.length)) % len(loaded_item)]

    def crop_for_evaluation(self, loaded_item: Signal) -> Signal:
        """Return the first samples."""
        return self.crop(loaded_item, (0, 0, 0))

    def to_tensor(self, examples: npt.NDArray[Any]) -> Tensor:
        """Convert (B, 1, 1, length), unchanged."""
        return torch.from_numpy(np.ascontiguousarray(examples))

    def list_visits(self, paths: Paths) -> None:
        """Visit every file once."""


class SignalNetworkFactory:
    """The networks that a CycleGAN asks for; other roles are missing, so other methods do not fit."""

    stride = 1

    def __init__(self, width: int, domains: Sequence[str], labels: Labels | None) -> None:
        self.width, self.domains = width, tuple(domains)
        self.labels = labels or create_domain_labels(self.domains)

    def generator(
        self,
        source: str,
        target: str,
        depth: int | None = None,
        max_mask_fraction: float = 0.0,
    ) -> Role:
        """Build two convolutions over time."""
        return Role(self._convolve(1, self.width), nn.ReLU(), self._convolve(self.width, 1))

    def alignment(self, source: str, target: str) -> Role:
        """Return the identity."""
        return Role()

    def discriminator(self, domain: str, outputs: int = 1) -> Role:
        """Build a discriminator with a score for each sample."""
        return Role(self._convolve(1, self.width), nn.LeakyReLU(0.2), self._convolve(self.width, outputs))

    def teacher(self) -> None:
        """Return None: there is no teacher."""

    @staticmethod
    def _convolve(inputs: int, outputs: int) -> nn.Module:
        return nn.Conv2d(inputs, outputs, (1, 5), padding=(0, 2))


@dataclass(frozen=True)
class SignalEvaluator:
    """Measures routes on the items of a split."""

    config: RunConfig
    method: Method
    batches: BatchLoader
    split: SplitName
    limit: int

    def measure(self) -> tuple[RouteEvaluation, ...]:
        """Measure every route."""
        self.method.eval()
        items = {key: self._stack(key) for key in self.batches.keys}
        return tuple(
            RouteEvaluation(
                route=self.config.format_route(route),
                sources=len(items[route.source]),
                targets=len(items[route.target]),
                values={MEAN_ERROR.name: self._compare(translations, items[route.target])},
                baselines={DOING_NOTHING: {MEAN_ERROR.name: self._compare(items[route.source], items[route.target])}},
            )
            for route in self.method.routes
            for translations in [self.method.translate(items[route.source], route.source, route.target)]
        )

    def _stack(self, key: str) -> Tensor:
        return torch.stack([item.tensor for item in self.batches.iterate_items(key, self.split, self.limit)])

    @staticmethod
    def _compare(x: Tensor, y: Tensor) -> float:
        return float((x.mean() - y.mean()).abs())


class SignalValidator:
    """Measures signals while a run trains."""

    def __init__(self, evaluator: SignalEvaluator, folder: RunFolder, log: TrainingLog) -> None:
        self.evaluator, self.folder, self.log = evaluator, folder, log

    def evaluate(self, step: int, spent_s: float, best_value: float | None) -> float | None:
        """Log the measures on the validation split."""
        routes = self.evaluator.measure()
        value = average_routes(MEAN_ERROR, routes)
        self.log.log_evaluation(step, spent_s, routes, MEAN_ERROR, value, best_value)
        return value

    def log_samples(self, step: int) -> None:
        """Log nothing: a signal is no picture."""

    def finish(self, step: int) -> None:
        """Evaluate on the test split and log how to go on."""
        finish_training(self.evaluator.config, self.folder, self.log, step, torch.device("cpu"), ".signal")


@dataclass(frozen=True)
class PreparedSignal:
    """A signal on its way."""

    values: Signal

    @property
    def batch_key(self) -> tuple[object, ...]:
        """Signals of equal length are translated together."""
        return tuple(self.values.shape)

    @property
    def memory_cost(self) -> int:
        """Its samples."""
        return self.values.size


class SignalPipeline:
    """Translates whole signals of any length."""

    max_waiting_cost = 1 << 20

    def __init__(self, config: ModelDescription, network: TranslationNetwork, request: TranslationRequest) -> None:
        self.medium, self.network, self.request = config.get_medium(), network, request

    def get_result_settings(self) -> Sequence[object]:
        """Nothing but the model."""
        return []

    def make_output_name(self, path: str) -> str:
        """Return the same name."""
        return Path(path).name

    def estimate_bytes(self, path: Path) -> int:
        """Return the size of the file."""
        return path.stat().st_size

    def prepare_file(self, path: Path, destination: Destination | None = None) -> PreparedSignal:
        """Read a signal."""
        return self._prepare(read_signal(path))

    def list_warnings(self, prepared_item: PreparedSignal) -> Sequence[str]:
        """Nothing."""
        return []

    def run(self, batch: Sequence[PreparedSignal], report_fraction: Any = None) -> Sequence[Signal]:
        """Translate signals of equal length."""
        peak = get_peak(self.request.target)
        x = np.stack([item.values for item in batch])
        return [peak * y[0, 0] for y in self.network.translate(x, self.request.route)]

    def write(self, output: Path, prepared_item: PreparedSignal, result: Signal) -> Sequence[str]:
        """Write a file, whole or not at all."""
        with atomic_write(output) as temporary, temporary.open("wb") as file:
            np.save(file, result)
        return []

    def translate_object(self, x: Any, sample_rate_hz: int | None = None) -> Signal:
        """Translate an array (T,)."""
        if not isinstance(x, np.ndarray) or x.ndim != 1:
            raise UsageError(f"cannot translate {type(x).__name__}; expected an array (T,)")
        return self.run([self._prepare(x)])[0]

    def _prepare(self, values: Signal) -> PreparedSignal:
        return PreparedSignal(values[None, None] / get_peak(self.request.source))


class SignalMedium(Medium):
    """Signals: arrays (T,) in .signal files, which have the format of .npy files."""

    name = "signal"
    item_noun = "signal"
    files_noun = "signals"
    suffixes = frozenset({".signal"})
    settings_title = "signals"
    settings_model = SignalSettings
    network_settings_model = NetworkSettings
    statistics_model = SignalStatistics
    metrics = (MEAN_ERROR,)
    baselines = (Baseline(DOING_NOTHING, "the input as its own translation"),)
    validation_metric = MEAN_ERROR
    ranking_metrics = (MEAN_ERROR,)
    example_files = ("in.signal", "out.signal")
    presets: ClassVar[PresetValues] = {"tiny": {}, "small": {}, "paper": {}}
    crop_setting = "length"

    def check(self, domains: Sequence[DomainFiles], settings: Settings, progress: ProgressCallback) -> CheckResult:
        """Read every file."""
        unreadable: dict[str, str] = {}
        counts = [len(read_domain(files, unreadable)) for files in domains]
        progress(sum(counts), sum(counts))
        lines = [f"{files.name}: {count} signals" for files, count in zip(domains, counts, strict=True)]
        return CheckResult("\n".join(lines), all(counts), unreadable)

    def inspect(self, settings: Settings, listing: DataListing, log: LogCallback) -> Inspection:
        """Measure the peaks."""
        unreadable: dict[str, str] = {}
        peaks = [max(float(np.abs(x).max()) for x in read_domain(files, unreadable)) for files in listing.files]
        for path, reason in unreadable.items():
            log(f"skipped: {path}: {reason}")
        domains = tuple(
            Domain(name=files.name, sources=files.sources, statistics=SignalStatistics(peak=peak))
            for files, peak in zip(listing.files, peaks, strict=True)
        )
        data, seed = settings.data, settings.split_seed
        splits = [split_files(files, data.holdout_fraction, seed, unreadable) for files in listing.files]
        return Inspection(settings.medium_settings, domains, splits, lambda *_: settings.networks)

    def create_transform(self, config: RunConfig) -> SignalTransform:
        """Return the transform to crops."""
        return SignalTransform(get_length(config))

    def create_network_factory(self, config: RunConfig, teacher: Role | None = None) -> NetworkFactory:
        """Return the factory of convolutions over time."""
        keys = DOMAIN_KEYS[: len(config.domains)]
        return cast("NetworkFactory", SignalNetworkFactory(config.networks.width, keys, config.labels))

    def create_validator(
        self, config: RunConfig, folder: RunFolder, method: Method, batches: BatchLoader, training_log: TrainingLog
    ) -> SignalValidator:
        """Return the validator."""
        return SignalValidator(SignalEvaluator(config, method, batches, "validation", 100), folder, training_log)

    def evaluate(self, request: EvaluationRequest) -> MeasuredRoutes:
        """Measure the mean level."""
        config, limit = request.model.config, request.limit or 100
        transform = build_item_transform(config)
        batches = BatchLoader(config.domains, request.splits, transform, config.split_seed, workers=0)
        evaluator = SignalEvaluator(config, request.model.method, batches, request.split, limit)
        return MeasuredRoutes(evaluator.measure(), limit)

    def create_pipeline(
        self,
        config: ModelDescription,
        network: TranslationNetwork,
        request: TranslationRequest,
    ) -> SignalPipeline:
        """Return the pipeline."""
        return SignalPipeline(config, network, request)

    def describe_items(self, config: RunConfig) -> str:
        """Say the length."""
        return f"of {get_length(config)} samples"


def get_peak(domain: Domain) -> float:
    """Return the peak of a domain."""
    assert isinstance(domain.statistics, SignalStatistics)
    return domain.statistics.peak


def get_length(config: RunConfig) -> int:
    """Return the length of a training item."""
    assert isinstance(config.medium_settings, SignalSettings)
    return config.medium_settings.length
