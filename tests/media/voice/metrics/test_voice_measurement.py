from __future__ import annotations

import numpy as np
import pytest

from unpaired.errors import DivergenceError
from unpaired.media.voice.metrics import acoustic_frames, distribution
from unpaired.media.voice.metrics.acoustic_frames import Doubles, FrameFeatures, Wave
from unpaired.media.voice.metrics.declarations import MCD, MODULATION, VOICE_BASELINES, VOICE_METRICS
from unpaired.media.voice.metrics.judges import Judges
from unpaired.media.voice.metrics.measurement import VoiceEvaluator, measure_conversion
from unpaired.media.voice.metrics.speakers import similarity
from unpaired.media.voice.metrics.word_errors import normalise_text
from unpaired.metrics.base import RouteEvaluation

RATE = 16000


def analyse(wave: Wave, sample_rate_hz: int) -> FrameFeatures:
    """Analyser in place of WORLD: 24 samples are the cepstra of a frame."""
    cepstra = wave[: len(wave) // 24 * 24].reshape(-1, 24).astype(np.float64)
    return FrameFeatures(cepstra, 100 + 50 * np.abs(cepstra[:, 0]), np.zeros(len(cepstra)))


class MeanSpeaker:
    """Speaker encoder that returns the mean and the standard deviation of a wave."""

    name = "mean speaker"

    def __call__(self, wave: Wave, sample_rate_hz: int) -> Doubles:
        return np.array([wave.mean() + 0.1, wave.std()], np.float64)


class Loudness:
    """MOS predictor that returns a higher score for louder waves."""

    name = "loudness"

    def __call__(self, wave: Wave, sample_rate_hz: int) -> float:
        return 1 + 4 * float(np.abs(wave).mean())


JUDGES = Judges(speaker_encoder=MeanSpeaker(), mos=Loudness(), missing={"words": ("no words kept: nobody listens",)})


def waves(seed: int, scale: float, count: int = 4) -> list[Wave]:
    rng = np.random.default_rng(seed)
    return [np.asarray(scale * rng.normal(size=24 * 200), np.float32) for _ in range(count)]


@pytest.fixture(scope="module")
def measured() -> RouteEvaluation:
    targets = waves(1, 0.2)
    return measure_conversion(
        waves(0, 0.1),
        [wave + np.float32(0.01) for wave in targets],
        targets,
        RATE,
        parallel=True,
        baseline_outputs={"affine": waves(2, 0.2)},
        judges=JUDGES,
        analyse=analyse,
        resynthesize=lambda wave, _: wave,
        route="a -> b",
        available=9,
    )


def test_evaluation_contains_the_baselines(measured: RouteEvaluation) -> None:
    assert [*measured.baselines] == ["doing nothing", "affine", "copy-synthesis", "real target"]
    assert {*measured.baselines} <= {b.name for b in VOICE_BASELINES}
    nothing, _, copy, real = measured.baselines.values()
    assert copy["mcd"] == copy["gv"] == 0
    assert copy["similarity"] == pytest.approx(1)
    assert 0 < measured.values["mcd"] < nothing["mcd"]
    assert (measured.sources, measured.targets, measured.pairs, measured.available) == (4, 4, 4, 9)
    assert "mcd" not in real and 0 < real["gv"] < 1
    assert nothing["gv_bias"] == pytest.approx(-6, abs=0.3)
    assert nothing["similarity_source"] == pytest.approx(1)
    assert real["mos"] > nothing["mos"]
    assert measured.networks == {"similarity measured by": "mean speaker", "MOS predicted by": "loudness"}
    assert measured.notes == ("no words kept: nobody listens.",)


def test_every_measured_metric_is_declared(measured: RouteEvaluation) -> None:
    names = {metric.name for metric in VOICE_METRICS}
    assert all({*values} <= names for values in (measured.values, *measured.baselines.values()))
    assert names - {*measured.values} == {
        *("wer", "wer_second", "cer", "similarity_second", "similarity_second_source", "dnsmos"),
        "nearest_ratio",  # measured apart, by `nearest_recordings`
    }


def test_definitions_contain_the_constants_of_the_code() -> None:
    assert f"within {acoustic_frames.LOUD_RANGE_DB:.0f} dB" in MCD.definition
    low_hz = 1 / (distribution.SEGMENT_FRAMES * acoustic_frames.HOP_SECONDS)
    assert f"{low_hz:.1f} to {distribution.MAX_MODULATION_BIN * low_hz:.0f} Hz" in MODULATION.definition


def test_evaluator_is_deterministic() -> None:
    evaluator = VoiceEvaluator(waves(0, 0.1), waves(1, 0.2), RATE, parallel=True, judges=JUDGES, analyse=analyse)
    assert evaluator.measure(waves(3, 0.2)) == evaluator.measure(waves(3, 0.2))
    assert evaluator.measure_copy_synthesis() is None


def test_aligned_metrics_are_missing_without_pairs() -> None:
    evaluator = VoiceEvaluator(waves(0, 0.1), waves(1, 0.2, 3), RATE, parallel=False, judges=JUDGES, analyse=analyse)
    found = evaluator.measure_identity()
    assert not found.keys() & {"mcd", "voicing_error", "f0_rmse"} and "gv" in found
    route = evaluator.build_evaluation(found, {})
    assert (route.sources, route.targets, route.pairs) == (4, 3, 0)


def test_copy_synthesis_has_aligned_metrics_without_pairs() -> None:
    evaluator = VoiceEvaluator(
        waves(0, 0.1), waves(1, 0.2), RATE, parallel=False, judges=JUDGES, analyse=analyse, resynthesize=lambda w, _: w
    )
    copy = evaluator.measure_copy_synthesis()
    assert copy is not None
    assert copy["mcd"] == 0


class FixedWords:
    """Recognizer that returns the first text for sources, and the second for all other waves."""

    name = "fixed words"

    def __init__(self, sources: list[Wave], texts: tuple[str, str]) -> None:
        self._sources, self._texts = {id(wave) for wave in sources}, texts

    def __call__(self, wave: Wave, sample_rate_hz: int) -> str:
        return self._texts[0 if id(wave) in self._sources else 1]


def test_each_recognizer_is_compared_with_its_own_words_without_transcripts() -> None:
    pytest.importorskip("jiwer")
    sources, outputs = waves(0, 0.1, 2), waves(2, 0.1, 2)
    judges = Judges(
        recognizer=FixedWords(sources, ("one two", "one three")),
        second_recognizer=FixedWords(sources, ("four five six seven", "four five six eight")),
    )
    heard, read = (
        VoiceEvaluator(
            sources, waves(1, 0.2, 2), RATE, parallel=True, judges=judges, analyse=analyse, transcripts=texts
        ).measure(outputs)
        for texts in (None, ["one three", "one three"])
    )
    assert (heard["wer"], heard["wer_second"]) == (1 / 2, 1 / 4)
    assert (read["wer"], read["wer_second"]) == (0, 2)  # edits: four insertions or substitutions for two words


def test_measurement_raises_errors_for_invalid_inputs() -> None:
    good = waves(0, 0.1)
    evaluator = VoiceEvaluator(good, waves(1, 0.2), RATE, parallel=True, judges=JUDGES, analyse=analyse)
    broken = [wave.copy() for wave in good]
    broken[1][5] = np.nan
    with pytest.raises(DivergenceError, match=r"converted 1 .* not finite"):
        evaluator.measure(broken)
    with pytest.raises(ValueError, match="1 outputs of 4 sources"):
        evaluator.measure(good[:1])
    with pytest.raises(ValueError, match="expected equal numbers"):
        VoiceEvaluator(good, good[:1], RATE, parallel=True, judges=JUDGES, analyse=analyse)
    with pytest.raises(ValueError, match="expected at least one of each"):
        VoiceEvaluator([], good, RATE, parallel=False, judges=JUDGES, analyse=analyse)
    with pytest.raises(ValueError, match="1 texts for 4 sources"):
        VoiceEvaluator(good, good, RATE, parallel=True, judges=JUDGES, analyse=analyse, transcripts=["one"])


def test_similarity_compares_mean_embeddings() -> None:
    a, b = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 0.0]])
    assert similarity(a, b) == pytest.approx(np.sqrt(0.5))
    assert similarity(a, a) == pytest.approx(1)


def test_texts_are_normalized_without_case_and_punctuation() -> None:
    assert normalise_text("  It's  FINE, isn't_it? ") == "its fine isntit"
