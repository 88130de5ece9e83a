from __future__ import annotations

import numpy as np
import pytest

from unpaired.errors import DivergenceError
from unpaired.media.voice.metrics.acoustic_frames import Doubles, FrameFeatures, Wave
from unpaired.media.voice.metrics.judges import Judges
from unpaired.media.voice.metrics.measurement import VoiceEvaluator, VoiceMeasures, measure_conversion
from unpaired.media.voice.metrics.measures_table import ROWS, format_definitions, format_table
from unpaired.media.voice.metrics.speakers import similarity
from unpaired.media.voice.metrics.word_errors import normalise_text

RATE = 16000


def analyse(wave: Wave, sample_rate_hz: int) -> FrameFeatures:
    """A stand-in for WORLD: 24 samples to a frame, as they are."""
    cepstra = wave[: len(wave) // 24 * 24].reshape(-1, 24).astype(np.float64)
    return FrameFeatures(cepstra, 100 + 50 * np.abs(cepstra[:, 0]), np.zeros(len(cepstra)))


class MeanSpeaker:
    """Embeds a wave as its mean and its spread."""

    name = "mean speaker"

    def __call__(self, wave: Wave, sample_rate_hz: int) -> Doubles:
        return np.array([wave.mean() + 0.1, wave.std()], np.float64)


class Loudness:
    """Takes loud for natural."""

    name = "loudness"

    def __call__(self, wave: Wave, sample_rate_hz: int) -> float:
        return 1 + 4 * float(np.abs(wave).mean())


JUDGES = Judges(speaker_encoder=MeanSpeaker(), mos=Loudness(), missing={"words": ("no words kept: nobody listens",)})


def waves(seed: int, scale: float, count: int = 4) -> list[Wave]:
    rng = np.random.default_rng(seed)
    return [np.asarray(scale * rng.normal(size=24 * 200), np.float32) for _ in range(count)]


@pytest.fixture(scope="module")
def measures() -> list[VoiceMeasures]:
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
        resynthesise=lambda wave, _: wave,
        route="a -> b",
    )


def test_what_must_stand_beside_a_conversion_does(measures: list[VoiceMeasures]) -> None:
    assert [m.system for m in measures] == ["converted", "do nothing", "affine", "copy-synthesis", "real target"]
    converted, nothing, affine, copy, real = measures
    assert copy.mcd == 0
    assert copy.gv == 0
    assert copy.similarity == pytest.approx(1)
    assert converted.mcd is not None
    assert nothing.mcd is not None
    assert 0 < converted.mcd < nothing.mcd
    assert affine.pairs == nothing.pairs == 4
    assert real.mcd is None
    assert real.pairs == 0
    assert real.gv is not None
    assert 0 < real.gv < 1
    assert nothing.gv_bias == pytest.approx(-6, abs=0.3)
    assert nothing.similarity_source == pytest.approx(1)
    assert real.mos is not None
    assert nothing.mos is not None
    assert real.mos > nothing.mos


def test_the_evaluator_gives_equal_figures_again() -> None:
    evaluator = VoiceEvaluator(waves(0, 0.1), waves(1, 0.2), RATE, parallel=True, judges=JUDGES, analyse=analyse)
    assert evaluator.measure(waves(3, 0.2)) == evaluator.measure(waves(3, 0.2))
    assert evaluator.measure_copy_synthesis() is None


def test_without_pairs_nothing_is_aligned() -> None:
    evaluator = VoiceEvaluator(waves(0, 0.1), waves(1, 0.2, 3), RATE, parallel=False, judges=JUDGES, analyse=analyse)
    found = evaluator.measure_identity()
    assert found.mcd is found.voicing_error is found.f0_rmse is None
    assert found.gv is not None
    assert (found.outputs, found.targets, found.pairs) == (4, 3, 0)


def test_copies_are_compared_with_their_originals_where_nothing_else_is_parallel() -> None:
    evaluator = VoiceEvaluator(
        waves(0, 0.1), waves(1, 0.2), RATE, parallel=False, judges=JUDGES, analyse=analyse, resynthesise=lambda w, _: w
    )
    copy = evaluator.measure_copy_synthesis()
    assert copy is not None
    assert copy.mcd == 0


def test_the_table_shows_every_system_and_the_definitions_what_is_missing(measures: list[VoiceMeasures]) -> None:
    text = format_table(measures)
    lines = text.splitlines()
    assert lines[0] == "a -> b (4 sentences, 4 of the target, parallel)"
    assert [word for word in ("converted", "do nothing", "affine", "copy-synthesis") if word in lines[1]]
    assert any(line.strip().startswith("MCD, dB") and " - " in line for line in lines)
    assert "WER" not in text
    told = format_definitions(measures)
    for word in ("alpha 0.41", "c1..c24", "within 20 dB", "exact dynamic time warping", "1.6 to 50 Hz"):
        assert word in told
    assert "no words kept: nobody listens." in told
    assert "judged by: mean speaker, loudness." in told


def test_every_row_is_a_measure_with_a_description() -> None:
    for row in ROWS:
        assert VoiceMeasures.model_fields[row.name].description


def test_what_cannot_be_measured_is_refused() -> None:
    good = waves(0, 0.1)
    evaluator = VoiceEvaluator(good, waves(1, 0.2), RATE, parallel=True, judges=JUDGES, analyse=analyse)
    broken = [wave.copy() for wave in good]
    broken[1][5] = np.nan
    with pytest.raises(DivergenceError, match="converted 1 holds samples that are not finite"):
        evaluator.measure(broken)
    with pytest.raises(ValueError, match="1 outputs of 4 sources"):
        evaluator.measure(good[:1])
    with pytest.raises(ValueError, match="parallel ones are as many"):
        VoiceEvaluator(good, good[:1], RATE, parallel=True, judges=JUDGES, analyse=analyse)
    with pytest.raises(ValueError, match="expected some of both"):
        VoiceEvaluator([], good, RATE, parallel=False, judges=JUDGES, analyse=analyse)
    with pytest.raises(ValueError, match="1 texts for 4 sources"):
        VoiceEvaluator(good, good, RATE, parallel=True, judges=JUDGES, analyse=analyse, transcripts=["one"])


def test_similarity_is_of_mean_embeddings() -> None:
    a, b = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 0.0]])
    assert similarity(a, b) == pytest.approx(np.sqrt(0.5))
    assert similarity(a, a) == pytest.approx(1)


def test_texts_are_compared_without_case_and_punctuation() -> None:
    assert normalise_text("  It's  FINE, isn't_it? ") == "its fine isntit"
