"""Measurement of converted sentences and baselines.

The functions do not depend on methods, files or runs. Waves are (samples,) float32 with full scale 1, all at the same
rate. The baselines include the unchanged sources, the targets after analysis and synthesis (the upper bound that the
vocoder sets), and the targets themselves (one half compared with the other). The metrics are declared in
`media.voice.metrics.declarations`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from unpaired.errors import DivergenceError
from unpaired.media.voice.metrics import distribution
from unpaired.media.voice.metrics.acoustic_frames import (
    Doubles,
    FrameAnalyser,
    FrameFeatures,
    Wave,
    build_world_analyser,
)
from unpaired.media.voice.metrics.declarations import COPY_SYNTHESIS, REAL
from unpaired.media.voice.metrics.judges import Judges, find_judges
from unpaired.media.voice.metrics.mcd import AlignedMetrics, compute_aligned_metrics
from unpaired.media.voice.metrics.naturalness import MosPredictor
from unpaired.media.voice.metrics.speakers import SpeakerEncoder, similarity
from unpaired.media.voice.metrics.word_errors import ErrorRates, Recognizer, compute_error_rates
from unpaired.metrics.base import DOING_NOTHING, RouteEvaluation, keep_finite

Resynthesize = Callable[[Wave, int], Wave]
"""Function that analyses and synthesizes a wave at a sample rate in Hz, without conversion."""
SystemMeasures = Mapping[str, float]
"""Values of one system on a route: metric name -> value; metrics that were not measured are missing."""
CONVERTED = "converted"
"""Name of the run's conversions, next to the names of baselines."""


@dataclass(frozen=True, eq=False)
class _Utterances:
    """Sentences: waves, features of each, and embeddings (N, D) by both speaker encoders."""

    waves: Sequence[Wave]
    frames: list[FrameFeatures]
    embeddings: tuple[Doubles | None, Doubles | None]

    def take_every_second(self, start: int) -> _Utterances:
        first, second = (None if e is None else e[start::2] for e in self.embeddings)
        return _Utterances(self.waves[start::2], self.frames[start::2], (first, second))


class VoiceEvaluator:
    """Evaluator of one route, which analyses sources and targets once for all systems.

    `sources` and `targets` are held-out sentences. With `parallel`, the i-th of both have the same words, and metrics
    with alignment are measured. `transcripts` are those of the sources (None: each recognizer's output on the sources),
    `target_transcripts` those of the targets if they differ. `resynthesize` creates the copy-synthesis baseline.
    Raises ValueError if there are no sentences or their numbers do not match.
    """

    def __init__(
        self,
        sources: Sequence[Wave],
        targets: Sequence[Wave],
        sample_rate_hz: int,
        *,
        parallel: bool,
        transcripts: Sequence[str] | None = None,
        target_transcripts: Sequence[str] | None = None,
        judges: Judges | None = None,
        analyse: FrameAnalyser | None = None,
        resynthesize: Resynthesize | None = None,
        route: str = "source -> target",
    ) -> None:
        if not sources or not targets:
            raise ValueError(
                f"{route}: {len(sources)} sources and {len(targets)} targets; expected at least one of each"
            )
        if parallel and len(sources) != len(targets):
            raise ValueError(
                f"{route}: {len(sources)} sources and {len(targets)} targets; expected equal numbers of parallel ones"
            )
        for transcript_list, waves, group in (
            (transcripts, sources, "sources"),
            (target_transcripts, targets, "targets"),
        ):
            if transcript_list is not None and len(transcript_list) != len(waves):
                raise ValueError(f"{route}: {len(transcript_list)} texts for {len(waves)} {group}; expected one each")
        self._rate, self._parallel, self._route = sample_rate_hz, parallel, route
        self._judges = find_judges() if judges is None else judges
        self._analyse = build_world_analyser() if analyse is None else analyse
        self._resynthesize = resynthesize
        self._sources, self._targets = (
            self._analyse_utterances(sources, "sources"),
            self._analyse_utterances(targets, "targets"),
        )
        self._target_distribution = distribution.compute_distribution(self._targets.frames)
        self._transcripts = [
            transcripts if transcripts is not None else _transcribe(recognizer, sources, sample_rate_hz)
            for recognizer in self._recognizers
        ]
        self._target_transcripts = self._transcripts if parallel else [target_transcripts for _ in self._recognizers]

    def measure(self, outputs: Sequence[Wave], system: str = CONVERTED) -> SystemMeasures:
        """Measure the conversions of the sources, in order; raises DivergenceError if a wave is not finite."""
        if len(outputs) != len(self._sources.waves):
            raise ValueError(
                f"{self._route}: {len(outputs)} outputs of {len(self._sources.waves)} sources; expected one each"
            )
        return self._measure(self._analyse_utterances(outputs, system), self._parallel, self._transcripts)

    def measure_identity(self) -> SystemMeasures:
        """Measure the unchanged sources."""
        return self._measure(self._sources, self._parallel, self._transcripts)

    def measure_copy_synthesis(self) -> SystemMeasures | None:
        """Measure the targets after analysis and synthesis; None without `resynthesize`."""
        if self._resynthesize is None:
            return None
        copies = [self._resynthesize(wave, self._rate) for wave in self._targets.waves]
        return self._measure(self._analyse_utterances(copies, COPY_SYNTHESIS), True, self._target_transcripts)

    def measure_targets(self) -> SystemMeasures:
        """Compare every second target with the others; measure words and naturalness of all."""
        values = self._measure_with_judges(self._targets, self._target_transcripts)
        if len(self._targets.waves) > 1:
            even, odd = self._targets.take_every_second(0), self._targets.take_every_second(1)
            values |= self._compare_distributions(even, odd, distribution.compute_distribution(odd.frames))
        return keep_finite(values)

    def build_evaluation(
        self, converted: SystemMeasures, baselines: Mapping[str, SystemMeasures], available: int = 0
    ) -> RouteEvaluation:
        """Return the evaluation of the route: values of the conversions and of the baselines."""
        return RouteEvaluation(
            route=self._route,
            sources=len(self._sources.waves),
            targets=len(self._targets.waves),
            available=available,
            pairs=len(self._sources.waves) if self._parallel else 0,
            values=dict(converted),
            baselines={name: dict(values) for name, values in baselines.items()},
            networks=self._judges.networks,
            notes=tuple(f"{reason}." for reason in chain.from_iterable(self._judges.missing.values())),
        )

    @property
    def _recognizers(self) -> tuple[Recognizer | None, Recognizer | None]:
        return self._judges.recognizer, self._judges.second_recognizer

    def _measure(
        self, out: _Utterances, has_references: bool, transcripts: Sequence[Sequence[str] | None]
    ) -> SystemMeasures:
        values = self._compare_distributions(out, self._targets, self._target_distribution) | self._measure_with_judges(
            out, transcripts
        )
        if has_references:
            values |= _average_aligned_metrics(
                [compute_aligned_metrics(a, b) for a, b in zip(out.frames, self._targets.frames, strict=True)]
            )
        return keep_finite(values)

    def _compare_distributions(
        self, out: _Utterances, target: _Utterances, target_distribution: distribution.VoiceDistribution
    ) -> dict[str, float | None]:
        """Measure the metrics that need no alignment."""
        distances = distribution.compare_distributions(
            distribution.compute_distribution(out.frames), target_distribution
        )
        values: dict[str, float | None] = {
            "gv": distances.gv_db,
            "gv_bias": distances.gv_bias_db,
            "modulation": distances.modulation_db,
            "frame_distance": distribution.compute_frame_distance(out.frames, target.frames),
            "f0_mean": distances.f0_mean_cents,
            "f0_std": distances.f0_std_cents,
            "voiced_fraction": distances.voiced_fraction,
        }
        for name, i in (("similarity", 0), ("similarity_second", 1)):
            values[name] = _compute_similarity(out.embeddings[i], target.embeddings[i])
            values[f"{name}_source"] = _compute_similarity(out.embeddings[i], self._sources.embeddings[i])
        return values

    def _measure_with_judges(
        self, out: _Utterances, transcripts: Sequence[Sequence[str] | None]
    ) -> dict[str, float | None]:
        """Measure word errors, against a list of transcripts for each recognizer, and naturalness."""
        first, second = (
            self._compute_error_rates(recognizer, out.waves, texts)
            for recognizer, texts in zip(self._recognizers, transcripts, strict=True)
        )
        return {
            "wer": None if first is None else first.wer,
            "cer": None if first is None else first.cer,
            "wer_second": None if second is None else second.wer,
            "mos": self._predict_mos(self._judges.mos, out.waves),
            "dnsmos": self._predict_mos(self._judges.dnsmos, out.waves),
        }

    def _predict_mos(self, predictor: MosPredictor | None, waves: Sequence[Wave]) -> float | None:
        return None if predictor is None else float(np.mean([predictor(wave, self._rate) for wave in waves]))

    def _compute_error_rates(
        self, recognizer: Recognizer | None, waves: Sequence[Wave], transcripts: Sequence[str] | None
    ) -> ErrorRates | None:
        hypotheses = None if transcripts is None else _transcribe(recognizer, waves, self._rate)
        return None if transcripts is None or hypotheses is None else compute_error_rates(transcripts, hypotheses)

    def _analyse_utterances(self, waves: Sequence[Wave], name: str) -> _Utterances:
        for i, wave in enumerate(waves):
            if wave.ndim != 1 or not len(wave):
                raise ValueError(f"{self._route}: {name} {i} has shape {wave.shape}; expected (samples,)")
            if not np.isfinite(wave).all():
                raise DivergenceError(f"{self._route}: {name} {i} has samples that are not finite")
        frames = [self._analyse(wave, self._rate) for wave in waves]
        return _Utterances(
            waves,
            frames,
            (self._embed(self._judges.speaker_encoder, waves), self._embed(self._judges.second_speaker_encoder, waves)),
        )

    def _embed(self, encoder: SpeakerEncoder | None, waves: Sequence[Wave]) -> Doubles | None:
        return None if encoder is None else np.stack([encoder(wave, self._rate) for wave in waves])


def measure_conversion(
    sources: Sequence[Wave],
    outputs: Sequence[Wave],
    targets: Sequence[Wave],
    sample_rate_hz: int,
    *,
    parallel: bool,
    baseline_outputs: Mapping[str, Sequence[Wave]] | None = None,
    known_baselines: Mapping[str, SystemMeasures] | None = None,
    transcripts: Sequence[str] | None = None,
    target_transcripts: Sequence[str] | None = None,
    judges: Judges | None = None,
    analyse: FrameAnalyser | None = None,
    resynthesize: Resynthesize | None = None,
    route: str = "source -> target",
    available: int = 0,
) -> RouteEvaluation:
    """Measure `outputs` and the baselines: unchanged sources, `baseline_outputs`, copy-synthesis and real targets.

    If `known_baselines` are given, they are used and no baseline is measured. See `VoiceEvaluator` for the other
    arguments and the errors.
    """
    evaluator = VoiceEvaluator(
        sources,
        targets,
        sample_rate_hz,
        parallel=parallel,
        transcripts=transcripts,
        target_transcripts=target_transcripts,
        judges=judges,
        analyse=analyse,
        resynthesize=resynthesize,
        route=route,
    )
    converted = evaluator.measure(outputs)
    if known_baselines:
        return evaluator.build_evaluation(converted, known_baselines, available)
    baselines = {DOING_NOTHING: evaluator.measure_identity()}
    baselines |= {name: evaluator.measure(waves, name) for name, waves in (baseline_outputs or {}).items()}
    copy_synthesis = evaluator.measure_copy_synthesis()
    if copy_synthesis is not None:
        baselines[COPY_SYNTHESIS] = copy_synthesis
    return evaluator.build_evaluation(converted, baselines | {REAL: evaluator.measure_targets()}, available)


def _transcribe(recognizer: Recognizer | None, waves: Sequence[Wave], sample_rate_hz: int) -> list[str] | None:
    return None if recognizer is None else [recognizer(wave, sample_rate_hz) for wave in waves]


def _average_aligned_metrics(metrics: Sequence[AlignedMetrics]) -> dict[str, float | None]:
    """Return the means over sentences; for F0, over those with frames that are voiced in both."""
    f0 = [pair.f0_rmse_cents for pair in metrics if pair.f0_rmse_cents is not None]
    return {
        "mcd": float(np.mean([pair.mcd_db for pair in metrics])),
        "voicing_error": float(np.mean([pair.voicing_error for pair in metrics])),
        "f0_rmse": float(np.mean(f0)) if f0 else None,
    }


def _compute_similarity(a: Doubles | None, b: Doubles | None) -> float | None:
    return None if a is None or b is None else similarity(a, b)
