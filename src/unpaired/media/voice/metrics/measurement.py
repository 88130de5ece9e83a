"""What is measured of converted voices, and of what they must be compared with.

Nothing here knows a method, a file or a run. Waves are (samples,) float32, full scale 1, all of one rate. Never one
figure alone: the sources as they are (doing nothing), the target through analysis and synthesis (copy-synthesis, the
ceiling of a vocoder) and the target itself (one half against the other) are measured by the same functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from unpaired.errors import DivergenceError
from unpaired.media.voice.metrics import distribution
from unpaired.media.voice.metrics.acoustic_frames import (
    Doubles,
    FrameAnalyser,
    FrameFeatures,
    Wave,
    build_world_analyser,
)
from unpaired.media.voice.metrics.judges import Judges, find_judges
from unpaired.media.voice.metrics.mcd import AlignedMetrics, compute_aligned_metrics
from unpaired.media.voice.metrics.naturalness import MosPredictor
from unpaired.media.voice.metrics.speakers import SpeakerEncoder, similarity
from unpaired.media.voice.metrics.word_errors import compute_error_rates

Resynthesise = Callable[[Wave, int], Wave]
"""A wave at a rate in Hz through analysis and synthesis, nothing changed between."""


class VoiceMeasures(BaseModel):
    """The measures of one system on one route; None where something that the measure needs is missing.

    Signed differences are output less target.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    route: str = Field(description="source and target")
    system: str = Field(description="what made the outputs: converted, do nothing, copy-synthesis, real target, ...")
    outputs: int = Field(description="sentences measured")
    targets: int = Field(description="sentences of the target that they are compared with")
    pairs: int = Field(default=0, description="outputs whose sentence the target spoke too")
    mcd: float | None = Field(default=None, description="mel-cepstral distortion to the truth, dB; lower is better")
    f0_rmse: float | None = Field(default=None, description="F0 against the truth, cents, root mean square")
    voicing_error: float | None = Field(
        default=None, description="share of aligned frames that differ in voicing, 0 to 1"
    )
    gv: float | None = Field(default=None, description="distance of global variances, dB; lower is better")
    gv_bias: float | None = Field(default=None, description="signed, dB: below 0 is flatter than the target")
    modulation: float | None = Field(default=None, description="distance of modulation spectra, dB; lower is better")
    frame_distance: float | None = Field(
        default=None, description="kernel distance of frames, times 1000; lower is better"
    )
    f0_mean: float | None = Field(default=None, description="mean of log F0, signed difference, cents")
    f0_std: float | None = Field(default=None, description="standard deviation of log F0, signed difference, cents")
    voiced_fraction: float | None = Field(default=None, description="share of voiced frames, signed difference")
    similarity: float | None = Field(default=None, description="cosine of speaker embeddings to the target, -1 to 1")
    similarity_source: float | None = Field(default=None, description="the same to the source; lower is better")
    similarity_second: float | None = Field(
        default=None, description="similarity to the target by the second encoder, -1 to 1"
    )
    similarity_second_source: float | None = Field(default=None, description="the same to the source; lower is better")
    wer: float | None = Field(default=None, description="word error rate of what is recognised; lower is better")
    cer: float | None = Field(default=None, description="character error rate; lower is better")
    mos: float | None = Field(default=None, description="predicted opinion score, 1 to 5, distillmos")
    dnsmos: float | None = Field(default=None, description="predicted opinion score, 1 to 5, DNSMOS overall")
    judges: tuple[str, ...] = Field(default=(), description="the networks that judged")
    missing: tuple[str, ...] = Field(default=(), description="measures that lack a package, and what to install")


@dataclass(frozen=True, eq=False)
class _Utterances:
    """A collection of sentences: frames of each, and embeddings (N, D) by both encoders."""

    waves: Sequence[Wave]
    frames: list[FrameFeatures]
    embeddings: tuple[Doubles | None, Doubles | None]

    def take_every_second(self, start: int) -> _Utterances:
        first, second = (None if e is None else e[start::2] for e in self.embeddings)
        return _Utterances(self.waves[start::2], self.frames[start::2], (first, second))


class VoiceEvaluator:
    """One route's sentences: what does not change from system to system is analysed once.

    `sources` and `targets` are held-out sentences; with `parallel` the i-th of both have the same words, and measures
    against the truth are taken. `texts` are the sources' words; without them what the recogniser hears of the sources
    stands for them. `target_texts` are the targets' where they are others. `resynthesise` gives the copy-synthesis its
    waves. Raises ValueError where counts do not agree.
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
        resynthesise: Resynthesise | None = None,
        route: str = "source -> target",
    ) -> None:
        if not sources or not targets:
            raise ValueError(f"{route}: {len(sources)} sources and {len(targets)} targets; expected some of both")
        if parallel and len(sources) != len(targets):
            raise ValueError(f"{route}: {len(sources)} sources, {len(targets)} targets; parallel ones are as many")
        for transcript_list, waves, group in (
            (transcripts, sources, "sources"),
            (target_transcripts, targets, "targets"),
        ):
            if transcript_list is not None and len(transcript_list) != len(waves):
                raise ValueError(f"{route}: {len(transcript_list)} texts for {len(waves)} {group}")
        self._rate, self._parallel, self._route = sample_rate_hz, parallel, route
        self._judges = find_judges() if judges is None else judges
        self._analyse = build_world_analyser() if analyse is None else analyse
        self._resynthesise = resynthesise
        self._sources, self._targets = (
            self._analyse_utterances(sources, "sources"),
            self._analyse_utterances(targets, "targets"),
        )
        self._target_distribution = distribution.compute_distribution(self._targets.frames)
        self._transcripts = transcripts if transcripts is not None else self._transcribe(sources)
        self._target_transcripts = self._transcripts if parallel else target_transcripts

    def measure(self, outputs: Sequence[Wave], system: str = "converted") -> VoiceMeasures:
        """Measure conversions of the sources, in their order. Raises Diverged where a wave is not finite."""
        if len(outputs) != len(self._sources.waves):
            raise ValueError(f"{self._route}: {len(outputs)} outputs of {len(self._sources.waves)} sources")
        return self._measure(self._analyse_utterances(outputs, system), system, self._parallel, self._transcripts)

    def measure_identity(self) -> VoiceMeasures:
        """The sources taken as their own conversions."""
        return self._measure(self._sources, "do nothing", self._parallel, self._transcripts)

    def measure_copy_synthesis(self) -> VoiceMeasures | None:
        """The targets through analysis and synthesis; None without `resynthesise`."""
        if self._resynthesise is None:
            return None
        copies = [self._resynthesise(wave, self._rate) for wave in self._targets.waves]
        voices = self._analyse_utterances(copies, "copy-synthesis")
        return self._measure(voices, "copy-synthesis", True, self._target_transcripts)

    def measure_targets(self) -> VoiceMeasures:
        """The targets: every second sentence against the others; words and naturalness of all."""
        values = self._measure_with_judges(self._targets, self._target_transcripts)
        if len(self._targets.waves) > 1:
            even, odd = self._targets.take_every_second(0), self._targets.take_every_second(1)
            values |= self._compare_distributions(even, odd, distribution.compute_distribution(odd.frames))
        return self._build_measures("real target", len(self._targets.waves), values)

    def _measure(
        self, out: _Utterances, system: str, has_references: bool, transcripts: Sequence[str] | None
    ) -> VoiceMeasures:
        values = self._compare_distributions(out, self._targets, self._target_distribution) | self._measure_with_judges(
            out, transcripts
        )
        if has_references:
            values |= _average_aligned_metrics(
                [compute_aligned_metrics(a, b) for a, b in zip(out.frames, self._targets.frames, strict=True)]
            )
        return self._build_measures(system, len(out.waves), values)

    def _build_measures(self, system: str, outputs: int, values: Mapping[str, float | None]) -> VoiceMeasures:
        row = VoiceMeasures(
            route=self._route,
            system=system,
            outputs=outputs,
            targets=len(self._targets.waves),
            pairs=outputs if values.get("mcd") is not None else 0,
            judges=self._judges.names,
            missing=tuple(chain.from_iterable(self._judges.missing.values())),
        )
        return row.model_copy(update=dict(values))

    def _compare_distributions(
        self, out: _Utterances, target: _Utterances, target_distribution: distribution.VoiceDistribution
    ) -> dict[str, float | None]:
        """Measures that need no alignment."""
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

    def _measure_with_judges(self, out: _Utterances, transcripts: Sequence[str] | None) -> dict[str, float | None]:
        """Measures of each sentence alone."""
        hypotheses = self._transcribe(out.waves) if transcripts is not None else None
        rates = None if transcripts is None or hypotheses is None else compute_error_rates(transcripts, hypotheses)
        return {
            "wer": None if rates is None else rates.wer,
            "cer": None if rates is None else rates.cer,
            "mos": self._predict_mos(self._judges.mos, out.waves),
            "dnsmos": self._predict_mos(self._judges.dnsmos, out.waves),
        }

    def _predict_mos(self, predictor: MosPredictor | None, waves: Sequence[Wave]) -> float | None:
        return None if predictor is None else float(np.mean([predictor(wave, self._rate) for wave in waves]))

    def _transcribe(self, waves: Sequence[Wave]) -> list[str] | None:
        recogniser = self._judges.recogniser
        return None if recogniser is None else [recogniser(wave, self._rate) for wave in waves]

    def _analyse_utterances(self, waves: Sequence[Wave], name: str) -> _Utterances:
        for i, wave in enumerate(waves):
            if wave.ndim != 1 or not len(wave):
                raise ValueError(f"{self._route}: {name} {i} has the shape {wave.shape}; expected (samples,)")
            if not np.isfinite(wave).all():
                raise DivergenceError(f"{self._route}: {name} {i} holds samples that are not finite")
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
    precomputed_measures: Sequence[VoiceMeasures] = (),
    transcripts: Sequence[str] | None = None,
    target_transcripts: Sequence[str] | None = None,
    judges: Judges | None = None,
    analyse: FrameAnalyser | None = None,
    resynthesise: Resynthesise | None = None,
    route: str = "source -> target",
) -> list[VoiceMeasures]:
    """Measures of `outputs`, then of doing nothing, of `others` by name, of copy-synthesis, of the real target.

    Where all but the first are `known` they are taken as they are. See `VoiceEvaluator` for what is given and raised.
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
        resynthesise=resynthesise,
        route=route,
    )
    if precomputed_measures:
        return [evaluator.measure(outputs), *precomputed_measures]
    rows = [evaluator.measure(outputs), evaluator.measure_identity()]
    rows += [evaluator.measure(waves, name) for name, waves in (baseline_outputs or {}).items()]
    copy_synthesis = evaluator.measure_copy_synthesis()
    return [*rows, *([] if copy_synthesis is None else [copy_synthesis]), evaluator.measure_targets()]


def _average_aligned_metrics(metrics: Sequence[AlignedMetrics]) -> dict[str, float | None]:
    """The means over sentences, F0 over those that have it."""
    f0 = [pair.f0_rmse_cents for pair in metrics if pair.f0_rmse_cents is not None]
    return {
        "mcd": float(np.mean([pair.mcd_db for pair in metrics])),
        "voicing_error": float(np.mean([pair.voicing_error for pair in metrics])),
        "f0_rmse": float(np.mean(f0)) if f0 else None,
    }


def _compute_similarity(a: Doubles | None, b: Doubles | None) -> float | None:
    return None if a is None or b is None else similarity(a, b)
