"""Players, spectrograms and F0 curves as HTML, from arrays.

Waves are (samples,) float32 with full scale 1.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from markupsafe import Markup, escape
from PIL import Image

from unpaired.report.charts import LineStyle, format_number, make_ticks

Wave = npt.NDArray[np.float32]
Floats = npt.NDArray[np.floating]

WINDOW_SECONDS: Final = 0.025
HIGHEST_HZ: Final = 8000.0
RANGE_DB: Final = 70.0
BANDS, COLUMNS = 128, 640
"""Maximum height and width of a spectrogram in pixels."""
LISTEN_SECONDS: Final = 20.0
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 640, 180, 46, 8, 10, 34
# Color map from dark to light with evenly increasing brightness, so that it is also readable in gray.
_COLORS: Final = np.array([(4, 5, 20), (58, 15, 110), (150, 40, 115), (229, 90, 75), (252, 170, 80), (252, 253, 190)])


@dataclass(frozen=True, eq=False)
class Curve:
    """F0 curve (T,) in Hz, 0 where unvoiced, every `hop_seconds`; its name and line style are those of the legend."""

    name: str
    f0: Floats
    hop_seconds: float = 0.005
    style: LineStyle = "main"


def render_audio(wave: Wave, sample_rate_hz: int, label: str, seconds: float = LISTEN_SECONDS) -> Markup:
    """Return a player with the first `seconds` of the wave embedded as 16-bit FLAC.

    Needs the extra `voice` (soundfile). Values beyond full scale are clipped.
    """
    import soundfile  # noqa: PLC0415 (optional)

    samples = np.clip(np.nan_to_num(wave[: round(seconds * sample_rate_hz)]), -1, 1)
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, sample_rate_hz, format="FLAC", subtype="PCM_16")
    address = f"data:audio/flac;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    return Markup(f'<audio controls preload="none" aria-label="{escape(label)}" src="{address}"></audio>')


def compute_mel_levels(
    wave: Wave, sample_rate_hz: int, bands: int = BANDS, columns: int = COLUMNS
) -> npt.NDArray[np.float64]:
    """Compute levels (bands, frames) in dB relative to the loudest, from -70 to 0.

    The bands are evenly spaced on the mel scale from 0 to 8 kHz (or half the sample rate), low frequencies first.
    Frames are Hann windows of 25 ms, at least 5 ms apart; there are at most `columns`.
    """
    size = max(2, round(WINDOW_SECONDS * sample_rate_hz))
    hop = max(round(0.005 * sample_rate_hz), math.ceil(max(0, len(wave) - size) / max(1, columns - 1)), 1)
    padded = np.pad(np.nan_to_num(wave.astype(np.float64)), (0, max(0, size - len(wave))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    fft_size = 2 ** math.ceil(math.log2(size) + 1)
    power = np.abs(np.fft.rfft(frames * np.hanning(size + 1)[:-1], fft_size, axis=1)) ** 2
    highest = 2595 * math.log10(1 + min(HIGHEST_HZ, sample_rate_hz / 2) / 700)
    hertz = 700 * (10 ** (np.linspace(0, highest, bands) / 2595) - 1)
    bin_positions = hertz * fft_size / sample_rate_hz
    decibels = 10 * np.log10(np.maximum(power, 1e-12))
    mel_levels = np.stack([np.interp(bin_positions, np.arange(decibels.shape[1]), row) for row in decibels], axis=1)
    return np.asarray(np.clip(mel_levels - mel_levels.max(), -RANGE_DB, 0))


def render_spectrogram(wave: Wave, sample_rate_hz: int, label: str) -> Markup:
    """Render the mel spectrogram of a wave as an image: time to the right, frequency upwards, 70 dB dark to light."""
    fractions = compute_mel_levels(wave, sample_rate_hz)[::-1] / RANGE_DB + 1
    color_positions = fractions * (len(_COLORS) - 1)
    colors = np.stack([np.interp(color_positions, np.arange(len(_COLORS)), channel) for channel in _COLORS.T], axis=-1)
    buffer = io.BytesIO()
    Image.fromarray(np.rint(colors).astype(np.uint8)).save(buffer, "WEBP", quality=85)
    address = f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    return Markup(f'<img class="spectrogram" alt="{escape(label)}" src="{address}">')


def render_f0_chart(curves: Sequence[Curve], label: str) -> Markup:
    """Render F0 over time on a logarithmic axis, one line per voiced segment; empty if no frame is voiced."""
    voiced = [curve.f0[curve.f0 > 0] for curve in curves]
    pitches = np.concatenate(voiced) if voiced else np.zeros(0)
    if not len(pitches):
        return Markup()
    low, high = math.log2(float(pitches.min()) / 1.1), math.log2(float(pitches.max()) * 1.1)
    end = max(len(curve.f0) * curve.hop_seconds for curve in curves)

    def x(seconds: float) -> float:
        return _LEFT + seconds / end * (_WIDTH - _LEFT - _RIGHT)

    def y(hertz: float) -> float:
        return _HEIGHT - _BOTTOM - (math.log2(hertz) - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    parts = []
    for hertz in make_ticks(2**low, 2**high, 4):
        parts.append(f'<path class="grid" d="M{_LEFT} {y(hertz):.1f}H{_WIDTH - _RIGHT}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y(hertz) + 4:.1f}" text-anchor="end">{format_number(hertz)}</text>')
    bottom = _HEIGHT - _BOTTOM
    for seconds in make_ticks(0, end, 6):
        parts.append(f'<path class="axis" d="M{x(seconds):.1f} {bottom}v4"/>')
        parts.append(
            f'<text x="{x(seconds):.1f}" y="{bottom + 16}" text-anchor="middle">{format_number(seconds)}</text>'
        )
    parts.append(f'<path class="axis" d="M{_LEFT} {bottom}H{_WIDTH - _RIGHT}"/>')
    parts.append(f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{_HEIGHT - 3}" text-anchor="middle">seconds</text>')
    parts.append(f'<text x="4" y="{_TOP + 2}">F0, Hz</text>')
    for curve in curves:
        for begin, stop in find_voiced_segments(curve.f0):
            points = (f"{x(i * curve.hop_seconds):.1f} {y(float(curve.f0[i])):.1f}" for i in range(begin, stop))
            parts.append(
                f'<path class="{curve.style}" d="M{"L".join(points)}"><title>{escape(curve.name)}</title></path>'
            )
    head = f'<svg class="chart f0" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(label)}">'
    return Markup(f"{head}{''.join(parts)}</svg>")


def find_voiced_segments(f0: Floats) -> list[tuple[int, int]]:
    """Return the first frame and the frame after the last of each voiced segment of at least two frames."""
    edges = np.diff(np.concatenate([[0], (f0 > 0).astype(np.int8), [0]]))
    begins, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return [(int(b), int(s)) for b, s in zip(begins, stops, strict=True) if s - b > 1]


def render_recording(wave: Wave, sample_rate_hz: int, title: str) -> Markup:
    """Render a wave as a figure with its title, spectrogram and player."""
    spectrogram = render_spectrogram(wave, sample_rate_hz, f"spectrogram: {title}")
    player = render_audio(wave, sample_rate_hz, f"listen: {title}")
    head = Markup("<figcaption><strong>{}</strong></figcaption>").format(title)
    return Markup('<figure class="voice">{}{}{}</figure>').format(head, spectrogram, player)
