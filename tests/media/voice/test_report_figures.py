from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from unpaired.media.voice import report_figures
from unpaired.media.voice.report_figures import Curve

RATE = 16000


def tone(hertz: float, seconds: float = 0.5, rate: int = RATE) -> report_figures.Wave:
    return np.asarray(0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate), np.float32)


@pytest.mark.parametrize(("hertz", "rate"), [(500.0, 16000), (3000.0, 16000), (3000.0, 44100)])
def test_a_tone_is_brightest_at_its_mel_frequency(hertz: float, rate: int) -> None:
    drawn = report_figures.compute_mel_levels(tone(hertz, rate=rate), rate)
    highest = 2595 * np.log10(1 + 8000 / 700)
    band = 2595 * np.log10(1 + hertz / 700) / highest * (report_figures.BANDS - 1)
    assert np.abs(drawn.argmax(0) - band).max() <= 1
    assert drawn.max() == 0
    assert drawn.min() >= -report_figures.RANGE_DB


@pytest.mark.parametrize("samples", [1, 10, 4000, 16000 * 30])
def test_spectrogram_width_is_limited(samples: int) -> None:
    drawn = report_figures.compute_mel_levels(np.zeros(samples, np.float32), RATE)
    assert drawn.shape[0] == report_figures.BANDS
    assert 1 <= drawn.shape[1] <= report_figures.COLUMNS


def test_low_frequencies_are_at_the_bottom_of_the_spectrogram() -> None:
    found = re.search(r'base64,([^"]+)"', report_figures.render_spectrogram(tone(200), RATE, 'a "low" tone'))
    assert found is not None
    with Image.open(io.BytesIO(base64.b64decode(found[1]))) as picture:
        brightness = np.asarray(picture.convert("L"), np.float64).mean(1)
    assert brightness.argmax() > 0.8 * len(brightness)


def test_player_embeds_the_wave() -> None:
    soundfile = pytest.importorskip("soundfile")
    wave = tone(440)
    piece = report_figures.render_audio(wave, RATE, "<b>listen")
    assert "&lt;b&gt;listen" in piece
    data = base64.b64decode(piece.partition("base64,")[2].partition('"')[0])
    heard, rate = soundfile.read(io.BytesIO(data), dtype="float32")
    assert rate == RATE
    np.testing.assert_allclose(heard, wave, atol=1 / 32767)
    short = report_figures.render_audio(wave, RATE, "", seconds=0.1)
    cut = base64.b64decode(short.partition("base64,")[2].partition('"')[0])
    assert soundfile.info(io.BytesIO(cut)).frames == 1600


def test_f0_is_drawn_where_it_is_voiced() -> None:
    f0 = np.array([0, 100, 110, 0, 200, 0, 150, 150, 150], np.float64)
    assert report_figures.find_voiced_segments(f0) == [(1, 3), (6, 9)]
    chart = report_figures.render_f0_chart(
        [Curve("source", f0, style="nothing"), Curve("converted", f0 * 2)], "F0 of both"
    )
    assert chart.count('class="nothing"') == 2
    assert chart.count('class="main"') == 2
    assert 'aria-label="F0 of both"' in chart
    heights = [
        float(line.split("L")[0].split()[1]) for line in re.findall(r'class="(?:nothing|main)" d="M([^"]+)"', chart)
    ]
    assert heights[0] > heights[2]  # an octave higher is drawn higher
    assert report_figures.render_f0_chart([Curve("a whisper", np.zeros(9))], "") == ""


def test_recording_figure_has_a_player_and_a_spectrogram() -> None:
    pytest.importorskip("soundfile")
    piece = report_figures.render_recording(tone(300), RATE, "slt & rms")
    assert piece.count("<audio") == piece.count("<img") == 1
    assert "<strong>slt &amp; rms</strong>" in piece
