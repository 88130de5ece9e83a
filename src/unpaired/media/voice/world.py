"""WORLD features: mel-cepstra for the networks; F0, energy and aperiodicity do not pass through them.

Frames are 5 ms apart; frame t is centered at sample `t * hop_samples`. Analysis follows WORLD (Morise et al. 2016): DIO
estimates F0 and StoneMask refines it, CheapTrick estimates the spectral envelope, and D4C the aperiodicity, coded in dB
per band. Groups of rows:

    values        c_1..c_order, mel-cepstrum of the envelope (`melcepstrum`), natural logarithm of amplitude
    energy        c_0, the mean log amplitude along the warped axis; copied from the source, as it is part of the
                  delivery and not of the voice
    f0            Hz, 0 where unvoiced
    aperiodicity  dB per band of 3 kHz; copied from the source
    level         dB of full scale
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

import numpy as np
import pyworld

from unpaired.errors import UsageError
from unpaired.media.voice import melcepstrum, vad
from unpaired.media.voice.audio_io import Wave
from unpaired.media.voice.chunking import CrossFade, get_core_range, split_into_windows
from unpaired.media.voice.features import CHUNK_SECONDS, FeatureLayout, Floats, VoiceFeatures
from unpaired.media.voice.pulses import compute_lead_in_f0, compute_pulse_phase

__all__ = ["ALPHAS", "FRAME_SECONDS", "World", "transform_log_f0"]

FRAME_SECONDS = 0.005
ALPHAS = {16000: 0.41, 24000: 0.466, 32000: 0.504, 48000: 0.554}
"""All-pass constants with which the warped axis comes closest to the mel scale, by sample rate in Hz."""
_MIN_POWER = 1e-12  # CheapTrick of digital zero is rounding noise near 1e-17, whose cepstra are meaningless
_CONTEXT_FRAMES, _FADE_FRAMES = 20, 2  # a pulse's response is shorter than 100 ms (20 frames)


@dataclass(frozen=True)
class World:
    """WORLD features at a sample rate in `ALPHAS`, with `order` coefficients; F0 is searched within the given bounds.

    `alpha` 0 selects the value of `ALPHAS`. Raises UsageError for settings that WORLD does not support.
    """

    sample_rate_hz: int = 16000
    order: int = 24
    alpha: float = 0.0
    f0_floor_hz: float = 71.0
    f0_ceil_hz: float = 800.0

    def __post_init__(self) -> None:
        if self.sample_rate_hz not in ALPHAS:
            raise UsageError(
                f"sample rate {self.sample_rate_hz} Hz: expected {', '.join(map(str, ALPHAS))} Hz for world"
            )
        if not 40 <= self.f0_floor_hz < self.f0_ceil_hz <= 2000:
            raise UsageError(f"F0 from {self.f0_floor_hz} to {self.f0_ceil_hz} Hz: expected 40 <= floor < ceil <= 2000")
        if not 8 <= self.order <= 80:
            raise UsageError(f"{self.order} mel-cepstral coefficients: expected 8 to 80")
        if not self.alpha:
            object.__setattr__(self, "alpha", ALPHAS[self.sample_rate_hz])

    @property
    def name(self) -> str:
        """Name of the representation in settings: "world"."""
        return "world"

    @property
    def hop_samples(self) -> int:
        """Samples between two frames (5 ms)."""
        return self.sample_rate_hz // 200

    @property
    def num_coefficients(self) -> int:
        """Number of rows of the group "values"."""
        return self.order

    @property
    def layout(self) -> FeatureLayout:
        """Groups of rows and their sizes."""
        bands = pyworld.get_num_aperiodicities(self.sample_rate_hz)
        return (("values", self.order), ("energy", 1), ("f0", 1), ("aperiodicity", bands), ("level", 1))

    @property
    def context_frames(self) -> int:
        """Frames of context for analysis: DIO's voicing decisions depend on about one second around a frame."""
        return 200

    @property
    def lookahead_frames(self) -> int:
        """Frames that synthesis needs after a chunk, because a pulse's response extends into neighboring frames."""
        return _CONTEXT_FRAMES

    def get_settings(self) -> dict[str, int | float | str]:
        """Return all settings that the features depend on."""
        return {"name": self.name, **asdict(self)}

    def analyse(self, wave: Wave) -> VoiceFeatures:
        """Return the features of a wave (samples,): `samples // hop_samples + 1` frames."""
        x, rate = np.ascontiguousarray(wave, np.float64), self.sample_rate_hz
        coarse_f0, times = pyworld.dio(x, rate, self.f0_floor_hz, self.f0_ceil_hz, frame_period=1000 * FRAME_SECONDS)
        f0 = pyworld.stonemask(x, coarse_f0, times, rate)
        power = pyworld.cheaptrick(x, f0, times, rate, fft_size=self._fft_size)
        aperiodicity = pyworld.d4c(x, f0, times, rate, fft_size=self._fft_size)
        cepstra = melcepstrum.encode(np.maximum(power, _MIN_POWER), self.order, self.alpha)
        return VoiceFeatures.from_groups(
            self.layout,
            values=cepstra[:, 1:].T,
            energy=cepstra[:, 0],
            f0=f0,
            aperiodicity=pyworld.code_aperiodicity(aperiodicity, rate).T,
            level=vad.compute_level_db(wave, self.hop_samples, len(f0), 5 * self.hop_samples),
        )

    def synthesize(self, features: VoiceFeatures) -> Wave:
        """Return a wave of `frames * hop_samples` samples."""
        f0 = features["f0"][0].astype(np.float64)
        cepstra = np.concatenate([features["energy"], features.values]).T
        coded = np.ascontiguousarray(features["aperiodicity"].T, np.float64)
        aperiodicity = pyworld.decode_aperiodicity(np.minimum(coded, 0), self.sample_rate_hz, self._fft_size)
        power = np.ascontiguousarray(melcepstrum.decode(cepstra, self._fft_size // 2 + 1, self.alpha))
        wave = pyworld.synthesize(f0, power, aperiodicity, self.sample_rate_hz, 1000 * FRAME_SECONDS)
        return np.asarray(wave[: features.num_frames * self.hop_samples], np.float32)

    def synthesize_stream(
        self, stream: Iterable[VoiceFeatures], chunk_seconds: float = CHUNK_SECONDS
    ) -> Iterator[Wave]:
        """Yield the wave in blocks, in constant memory.

        Each chunk starts with lead-in frames whose F0 continues the phase of the previous chunk. The glottal pulses are
        then where synthesis of the whole would place them, and voiced sounds have no discontinuity at a chunk boundary.
        """
        hop, rate, core = self.hop_samples, self.sample_rate_hz, round(chunk_seconds / FRAME_SECONDS)
        cross_fade, half_fade, phase = CrossFade(_FADE_FRAMES * hop), _FADE_FRAMES // 2, 0.0
        for window in split_into_windows(stream, core, _CONTEXT_FRAMES):
            features = _prepend_lead_in(window.features, phase, rate) if window.left_context else window.features
            num_lead_in = features.num_frames - window.features.num_frames
            wave = self.synthesize(features)[num_lead_in * hop :]
            start, stop = get_core_range(window, half_fade)
            yield cross_fade.join(wave[start * hop : stop * hop], window.is_last)
            if not window.is_last:
                following = window.left_context + core - _CONTEXT_FRAMES  # the next window's first frame
                phase = compute_pulse_phase(features["f0"][0], num_lead_in + following, rate)

    @property
    def _fft_size(self) -> int:
        return int(pyworld.get_cheaptrick_fft_size(self.sample_rate_hz, self.f0_floor_hz))


def _prepend_lead_in(features: VoiceFeatures, phase: float, rate_hz: int) -> VoiceFeatures:
    """Return the features after lead-in frames that bring the pulse phase to `phase` radians."""
    f0 = compute_lead_in_f0(features["f0"][0], phase, rate_hz)
    lead_in = VoiceFeatures(np.repeat(features.rows[:, :1], len(f0), 1), features.layout).replace_groups(f0=f0)
    return VoiceFeatures(np.concatenate([lead_in.rows, features.rows], 1), features.layout)


def transform_log_f0(f0: Floats, source: tuple[float, float], target: tuple[float, float]) -> Floats:
    """Match mean and standard deviation of log F0 from `source` to `target`; F0 in Hz, unvoiced frames stay 0.

    log f' = m_t + (log f - m_s) s_t / s_s. If the source's deviation is zero, F0 is shifted only.
    """
    ratio = target[1] / source[1] if source[1] > 1e-6 else 1.0
    voiced = f0 > 0
    logs = np.log(np.where(voiced, f0, 1.0))
    return np.where(voiced, np.exp(target[0] + (logs - source[0]) * ratio), 0).astype(np.float32)
