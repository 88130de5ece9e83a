"""What is measured of a route, on items that training did not see: likeness to the target, content kept, truth if any.

Nothing here knows a method, a file or a run: a route is a function from pictures to pictures. Every figure has its
baseline beside it: doing nothing (the input taken as the translation) and, for KID and FID, real against real.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn import functional

from unpaired.devices import isolate_rng
from unpaired.errors import DivergenceError
from unpaired.metrics import kid as kid_metrics
from unpaired.metrics import paired as pair_metrics

Translate = Callable[[Tensor], Tensor]
"""Pictures (B, 1 or 3, H, W) in [-1, 1] to their translations: equal B, H and W, values in [-1, 1]."""


class FeatureExtractor(Protocol):
    """A network whose features are compared: `features.Features`."""

    @property
    def name(self) -> str:
        """What it is, as it stands beside figures."""

    @property
    def dimensions(self) -> int:
        """How many features there are."""

    def __call__(self, images: Tensor, /) -> Tensor:
        """(B, 1 or 3, H, W) in [-1, 1] -> (B, dimensions)."""


class RouteMeasures(BaseModel):
    """The measures of one route; None where something that the measure needs is missing.

    Differences (`l1`, `cycle`, `change`) are shares of the whole range of values, 0 to 1. `*_nothing` is the same
    measure of the untranslated input, `*_real` of one half of the real targets against the other.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    route: str = Field(description="source and target")
    features: str | None = Field(
        default=None, description="the network whose features KID, FID and feature_similarity compare"
    )
    sources: int = Field(description="items translated")
    targets: int = Field(description="real items of the target")
    pairs: int = Field(default=0, description="items whose true translation is known")
    kid: float | None = Field(default=None, description="KID of translations and targets, times 1000; lower is better")
    kid_error: float | None = Field(default=None, description="standard error of kid, times 1000")
    kid_baseline: float | None = Field(default=None, description="KID of sources and targets, times 1000")
    kid_real: float | None = Field(
        default=None, description="KID of halves of the targets, root mean square, times 1000"
    )
    fid: float | None = Field(default=None, description="FID of translations and targets; lower is better")
    fid_baseline: float | None = Field(default=None, description="FID of sources and targets")
    fid_real: float | None = Field(default=None, description="FID of halves of the targets: higher by being small")
    fid_warning: str | None = Field(default=None, description="why the FID is not to be taken as it stands")
    l1: float | None = Field(default=None, description="mean absolute difference to the truth; lower is better")
    l1_baseline: float | None = None
    psnr: float | None = Field(
        default=None, description="peak signal to noise ratio to the truth, dB; higher is better"
    )
    psnr_baseline: float | None = None
    ssim: float | None = Field(
        default=None, description="structural similarity to the truth, -1 to 1; higher is better"
    )
    ssim_baseline: float | None = None
    cycle: float | None = Field(
        default=None, description="mean absolute difference of the way there and back to the input"
    )
    change: float | None = Field(default=None, description="mean absolute difference of translation and input")
    feature_similarity: float | None = Field(
        default=None, description="cosine of the features of translation and input, -1 to 1"
    )
    edge_similarity: float | None = Field(
        default=None, description="correlation of the edges of translation and input, -1 to 1"
    )
    seconds: float = Field(default=0.0, description="time that translating and measuring took")


class RouteEvaluator:
    """One route's items and references: everything that does not change while a translator learns is computed once.

    `sources` and `targets` are batches (B, 1 or 3, H, W) in [-1, 1], `pairs` batches of a source and its true
    translation. They are passed over anew by every `measure`, so they are lists or the like, no generators; sizes may
    differ between batches. Without `features` there is no KID, FID or `kept_features`.
    """

    def __init__(
        self,
        sources: Iterable[Tensor],
        targets: Iterable[Tensor],
        pairs: Iterable[tuple[Tensor, Tensor]] | None = None,
        features: FeatureExtractor | None = None,
        *,
        route: str = "source -> target",
        with_fid: bool = False,
    ) -> None:
        for name, batches in (("sources", sources), ("targets", targets), ("pairs", pairs)):
            if isinstance(batches, Iterator):
                raise TypeError(f"{name} is a generator, used up after one pass; expected a list or the like")
        self._sources, self._pairs, self._features, self._with_fid = sources, pairs or (), features, with_fid
        baselines = RouteMeasures(route=route, sources=sum(map(len, sources)), targets=sum(map(len, targets)))
        self._real_features = self._source_features = torch.empty(0, 0)
        if features is not None:
            self._real_features, self._source_features = (
                _extract_features(features, targets),
                _extract_features(features, sources),
            )
            baselines = baselines.model_copy(update={"features": features.name, **self._measure_feature_baselines()})
        self._baselines = baselines.model_copy(update=self._measure_pair_baselines())

    @property
    def batch_count(self) -> int:
        """How often `measure` translates."""
        return sum(1 for _ in self._sources) + sum(1 for _ in self._pairs)

    @torch.no_grad()
    def measure(self, translate: Translate, translate_back: Translate | None = None) -> RouteMeasures:
        """Measure `translate`, and with `back` what comes back of the input.

        No gradient is recorded, networks keep their mode, and what `translate` draws is drawn from a seed of our own,
        so the global random numbers stay as they were and equal weights give equal figures. Raises `Diverged` where a
        translation is not finite.
        """
        start = time.perf_counter()
        means = _Means()
        outputs = []
        with isolate_rng():
            for x in self._sources:
                y = self._require_finite(translate(x))
                a, b = _to_common_range(x, y)
                means.add("change", pair_metrics.l1(a, b))
                means.add("edge_similarity", pair_metrics.edge_correlation(a, b))
                if translate_back is not None:
                    means.add("cycle", pair_metrics.l1(*_to_common_range(x, self._require_finite(translate_back(y)))))
                if self._features is not None:
                    outputs.append(self._features(y))
            for x, truth in self._pairs:
                means.compare(self._require_finite(translate(x)), truth)
        measures = {**means.means(), **(self._measure_features(torch.cat(outputs)) if outputs else {})}
        return self._baselines.model_copy(update={**measures, "seconds": time.perf_counter() - start})

    def _require_finite(self, y: Tensor) -> Tensor:
        if not torch.isfinite(y).all():
            raise DivergenceError(f"{self._baselines.route}: the translation holds values that are not finite")
        return y.float()

    def _measure_features(self, outputs: Tensor) -> dict[str, float | None]:
        """Measures by features of the translations `outputs` (N, D)."""
        measures: dict[str, float | None] = {"feature_similarity": _centered_cosine(self._source_features, outputs)}
        if min(len(outputs), len(self._real_features)) >= 2:
            value, error = kid_metrics.kid_estimate(self._real_features, outputs)
            measures |= {"kid": 1000 * value, "kid_error": 1000 * error if error < float("inf") else None}
            if self._with_fid:
                measures["fid"] = kid_metrics.fid(self._real_features, outputs)
        return measures

    def _measure_feature_baselines(self) -> dict[str, float | str | None]:
        real, inputs = self._real_features, self._source_features
        baselines: dict[str, float | str | None] = {}
        if min(len(real), len(inputs)) >= 2:
            baselines["kid_baseline"] = 1000 * kid_metrics.kid_estimate(real, inputs).value
        if len(real) >= 4:
            baselines["kid_real"] = 1000 * kid_metrics.kid_of_real_halves(real)
        if self._with_fid and min(len(real), len(inputs)) >= 2:
            baselines |= {
                "fid_baseline": kid_metrics.fid(real, inputs),
                "fid_warning": kid_metrics.explain_fid_bias(real, inputs),
            }
            if len(real) >= 4:
                order = torch.randperm(len(real), generator=torch.Generator().manual_seed(0))
                baselines["fid_real"] = kid_metrics.fid(real[order[::2]], real[order[1::2]])
        return baselines

    def _measure_pair_baselines(self) -> dict[str, float | int]:
        means, count = _Means(), 0
        for x, truth in self._pairs:
            means.compare(x, truth)
            count += len(x)
        return {"pairs": count, **{f"{name}_baseline": value for name, value in means.means().items()}}


def mean_kid(measures: Iterable[RouteMeasures]) -> float | None:
    """The mean over routes of KID, times 1000: what the best state is chosen by. None unless every route has one."""
    values = [m.kid for m in measures]
    finite_values = [value for value in values if value is not None]
    return sum(finite_values) / len(finite_values) if finite_values and len(finite_values) == len(values) else None


class _Means:
    """Values per picture by the name of their measure, gathered batch by batch."""

    def __init__(self) -> None:
        self._values: dict[str, list[Tensor]] = {}

    def add(self, name: str, values: Tensor) -> None:
        self._values.setdefault(name, []).append(values.cpu())

    def compare(self, image: Tensor, truth: Tensor) -> None:
        """Add the measures against the truth, both in [-1, 1]."""
        a, b = _to_common_range(image, truth)
        self.add("l1", pair_metrics.l1(a, b))
        self.add("psnr", pair_metrics.psnr(a, b))
        if min(a.shape[-2:]) >= pair_metrics.SSIM_WINDOW:
            self.add("ssim", pair_metrics.ssim(a, b))

    def means(self) -> dict[str, float]:
        return {name: torch.cat(values).mean().item() for name, values in self._values.items()}


def _to_common_range(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """From [-1, 1] to [0, 1], clamped, on one device, gray repeated where the other has colours."""
    channels = max(x.shape[1], y.shape[1])
    a, b = ((t.float().clamp(-1, 1) + 1) / 2 for t in (x.to(y.device), y))
    return a.expand(-1, channels, -1, -1), b.expand(-1, channels, -1, -1)


def _extract_features(features: FeatureExtractor, batches: Iterable[Tensor]) -> Tensor:
    extracted = [features(batch) for batch in batches]
    return torch.cat(extracted) if extracted else torch.empty(0, features.dimensions)


def _centered_cosine(inputs: Tensor, outputs: Tensor) -> float | None:
    """Mean cosine of features (N, D) of items and of their translations, each about the mean of its own set.

    About the mean, for what all items of a domain share (being flat, being bright) is the domain's, not an item's.
    Doing nothing gives 1, translations of other items about 0.
    """
    if len(inputs) < 2:
        return None
    return functional.cosine_similarity(inputs - inputs.mean(0), outputs - outputs.mean(0)).mean().item()
