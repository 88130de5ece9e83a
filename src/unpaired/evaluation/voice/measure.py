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

from unpaired.errors import Diverged
from unpaired.evaluation.voice import spread
from unpaired.evaluation.voice.closeness import Closeness, closeness
from unpaired.evaluation.voice.frames import Analyse, Doubles, Frames, Wave, world_analysis
from unpaired.evaluation.voice.judges import Judges, installed
from unpaired.evaluation.voice.naturalness import Listener
from unpaired.evaluation.voice.speakers import SpeakerEncoder, similarity
from unpaired.evaluation.voice.words import error_rates

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
    voicing: float | None = Field(default=None, description="share of aligned frames that differ in voicing, 0 to 1")
    gv: float | None = Field(default=None, description="distance of global variances, dB; lower is better")
    gv_bias: float | None = Field(default=None, description="signed, dB: below 0 is flatter than the target")
    modulation: float | None = Field(default=None, description="distance of modulation spectra, dB; lower is better")
    frames: float | None = Field(default=None, description="kernel distance of frames, times 1000; lower is better")
    f0_mean: float | None = Field(default=None, description="mean of log F0, signed difference, cents")
    f0_std: float | None = Field(default=None, description="standard deviation of log F0, signed difference, cents")
    voiced: float | None = Field(default=None, description="share of voiced frames, signed difference")
    similarity: float | None = Field(default=None, description="cosine of speaker embeddings to the target, -1 to 1")
    similarity_source: float | None = Field(default=None, description="the same to the source; lower is better")
    second: float | None = Field(default=None, description="similarity to the target by the second encoder, -1 to 1")
    second_source: float | None = Field(default=None, description="the same to the source; lower is better")
    wer: float | None = Field(default=None, description="word error rate of what is recognised; lower is better")
    cer: float | None = Field(default=None, description="character error rate; lower is better")
    mos: float | None = Field(default=None, description="predicted opinion score, 1 to 5, distillmos")
    dnsmos: float | None = Field(default=None, description="predicted opinion score, 1 to 5, DNSMOS overall")
    judges: tuple[str, ...] = Field(default=(), description="the networks that judged")
    missing: tuple[str, ...] = Field(default=(), description="measures that lack a package, and what to install")


@dataclass(frozen=True, eq=False)
class _Voices:
    """A collection of sentences: frames of each, and embeddings (N, D) by both encoders."""

    waves: Sequence[Wave]
    frames: list[Frames]
    embeddings: tuple[Doubles | None, Doubles | None]

    def every_second(self, start: int) -> _Voices:
        first, second = (None if e is None else e[start::2] for e in self.embeddings)
        return _Voices(self.waves[start::2], self.frames[start::2], (first, second))


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
        texts: Sequence[str] | None = None,
        target_texts: Sequence[str] | None = None,
        judges: Judges | None = None,
        analyse: Analyse | None = None,
        resynthesise: Resynthesise | None = None,
        route: str = "source -> target",
    ) -> None:
        if not sources or not targets:
            raise ValueError(f"{route}: {len(sources)} sources and {len(targets)} targets; expected some of both")
        if parallel and len(sources) != len(targets):
            raise ValueError(f"{route}: {len(sources)} sources, {len(targets)} targets; parallel ones are as many")
        for words, waves, whose in ((texts, sources, "sources"), (target_texts, targets, "targets")):
            if words is not None and len(words) != len(waves):
                raise ValueError(f"{route}: {len(words)} texts for {len(waves)} {whose}")
        self._rate, self._parallel, self._route = sample_rate_hz, parallel, route
        self._judges = installed() if judges is None else judges
        self._analyse = world_analysis() if analyse is None else analyse
        self._resynthesise = resynthesise
        self._sources, self._targets = self._voices(sources, "sources"), self._voices(targets, "targets")
        self._target_spread = spread.spread(self._targets.frames)
        self._texts = texts if texts is not None else self._heard(sources)
        self._target_texts = self._texts if parallel else target_texts

    def measure(self, outputs: Sequence[Wave], system: str = "converted") -> VoiceMeasures:
        """Measure conversions of the sources, in their order. Raises Diverged where a wave is not finite."""
        if len(outputs) != len(self._sources.waves):
            raise ValueError(f"{self._route}: {len(outputs)} outputs of {len(self._sources.waves)} sources")
        return self._measure(self._voices(outputs, system), system, self._parallel, self._texts)

    def nothing(self) -> VoiceMeasures:
        """The sources taken as their own conversions."""
        return self._measure(self._sources, "do nothing", self._parallel, self._texts)

    def copy_synthesis(self) -> VoiceMeasures | None:
        """The targets through analysis and synthesis; None without `resynthesise`."""
        if self._resynthesise is None:
            return None
        copies = [self._resynthesise(wave, self._rate) for wave in self._targets.waves]
        voices = self._voices(copies, "copy-synthesis")
        return self._measure(voices, "copy-synthesis", True, self._target_texts)

    def real(self) -> VoiceMeasures:
        """The targets: every second sentence against the others; words and naturalness of all."""
        found = self._judged(self._targets, self._target_texts)
        if len(self._targets.waves) > 1:
            some, others = self._targets.every_second(0), self._targets.every_second(1)
            found |= self._alike(some, others, spread.spread(others.frames))
        return self._row("real target", len(self._targets.waves), found)

    def _measure(self, out: _Voices, system: str, paired: bool, texts: Sequence[str] | None) -> VoiceMeasures:
        found = self._alike(out, self._targets, self._target_spread) | self._judged(out, texts)
        if paired:
            found |= _closeness([closeness(a, b) for a, b in zip(out.frames, self._targets.frames, strict=True)])
        return self._row(system, len(out.waves), found)

    def _row(self, system: str, outputs: int, found: Mapping[str, float | None]) -> VoiceMeasures:
        row = VoiceMeasures(
            route=self._route,
            system=system,
            outputs=outputs,
            targets=len(self._targets.waves),
            pairs=outputs if found.get("mcd") is not None else 0,
            judges=self._judges.names,
            missing=tuple(chain.from_iterable(self._judges.missing.values())),
        )
        return row.model_copy(update=dict(found))

    def _alike(self, out: _Voices, target: _Voices, target_spread: spread.Spread) -> dict[str, float | None]:
        """Measures that need no alignment."""
        apart = spread.distance(spread.spread(out.frames), target_spread)
        found: dict[str, float | None] = {
            "gv": apart.gv_db,
            "gv_bias": apart.gv_bias_db,
            "modulation": apart.modulation_db,
            "frames": spread.frames_apart(out.frames, target.frames),
            "f0_mean": apart.f0_mean_cents,
            "f0_std": apart.f0_std_cents,
            "voiced": apart.voiced_share,
        }
        for name, i in (("similarity", 0), ("second", 1)):
            found[name] = _cosine(out.embeddings[i], target.embeddings[i])
            found[f"{name}_source"] = _cosine(out.embeddings[i], self._sources.embeddings[i])
        return found

    def _judged(self, out: _Voices, texts: Sequence[str] | None) -> dict[str, float | None]:
        """Measures of each sentence alone."""
        heard = self._heard(out.waves) if texts is not None else None
        rates = None if texts is None or heard is None else error_rates(texts, heard)
        return {
            "wer": None if rates is None else rates.words,
            "cer": None if rates is None else rates.characters,
            "mos": self._opinion(self._judges.mos, out.waves),
            "dnsmos": self._opinion(self._judges.dnsmos, out.waves),
        }

    def _opinion(self, listener: Listener | None, waves: Sequence[Wave]) -> float | None:
        return None if listener is None else float(np.mean([listener(wave, self._rate) for wave in waves]))

    def _heard(self, waves: Sequence[Wave]) -> list[str] | None:
        hear = self._judges.recogniser
        return None if hear is None else [hear(wave, self._rate) for wave in waves]

    def _voices(self, waves: Sequence[Wave], name: str) -> _Voices:
        for i, wave in enumerate(waves):
            if wave.ndim != 1 or not len(wave):
                raise ValueError(f"{self._route}: {name} {i} has the shape {wave.shape}; expected (samples,)")
            if not np.isfinite(wave).all():
                raise Diverged(f"{self._route}: {name} {i} holds samples that are not finite")
        frames = [self._analyse(wave, self._rate) for wave in waves]
        return _Voices(
            waves, frames, (self._embed(self._judges.speaker, waves), self._embed(self._judges.second_speaker, waves))
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
    others: Mapping[str, Sequence[Wave]] | None = None,
    known: Sequence[VoiceMeasures] = (),
    texts: Sequence[str] | None = None,
    target_texts: Sequence[str] | None = None,
    judges: Judges | None = None,
    analyse: Analyse | None = None,
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
        texts=texts,
        target_texts=target_texts,
        judges=judges,
        analyse=analyse,
        resynthesise=resynthesise,
        route=route,
    )
    if known:
        return [evaluator.measure(outputs), *known]
    rows = [evaluator.measure(outputs), evaluator.nothing()]
    rows += [evaluator.measure(waves, name) for name, waves in (others or {}).items()]
    copy = evaluator.copy_synthesis()
    return [*rows, *([] if copy is None else [copy]), evaluator.real()]


def _closeness(pairs: Sequence[Closeness]) -> dict[str, float | None]:
    """The means over sentences, F0 over those that have it."""
    f0 = [pair.f0_rmse_cents for pair in pairs if pair.f0_rmse_cents is not None]
    return {
        "mcd": float(np.mean([pair.mcd_db for pair in pairs])),
        "voicing": float(np.mean([pair.voicing_error for pair in pairs])),
        "f0_rmse": float(np.mean(f0)) if f0 else None,
    }


def _cosine(a: Doubles | None, b: Doubles | None) -> float | None:
    return None if a is None or b is None else similarity(a, b)
