"""The section of a report that lets one listen: sentences of the last evaluation with spectrograms and F0."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from pydantic import BaseModel, ValidationError

from unpaired.errors import UnpairedError
from unpaired.media.voice.metrics.acoustic_frames import Doubles, Wave
from unpaired.media.voice.report_figures import Curve, render_f0_chart, render_recording
from unpaired.report.charts import LineStyle
from unpaired.report.templating import render
from unpaired.runs.folder import RunFolder

SAMPLE_RATE_HZ = 16000
"""The sample rate of players and figures."""
_CURVE_STYLES: dict[str, LineStyle] = {"source": "nothing", "converted": "main", "target": "real"}


class ListeningSample(BaseModel):
    """A sentence to listen to: its route, its text, and a file for each converter."""

    route: str
    sentence: str
    files: dict[str, str]


def render_listening(folder: RunFolder) -> Markup:
    """Render the sentences that the last evaluation kept: source, converted, baselines and target."""
    found = [_describe_sample(folder.listening_samples, sample) for sample in read_listening_samples(folder)]
    return render(
        "voice_sentences",
        heading="To hear",
        sentences=[sentence for sentence in found if sentence is not None],
        empty_hint="Nothing was kept to listen to: evaluate the run.",
    )


def read_listening_samples(folder: RunFolder) -> list[ListeningSample]:
    """Read the sentences that the last evaluation kept; none where they cannot be read."""
    try:
        rows = json.loads((folder.listening_samples / "listening.json").read_text(encoding="utf-8"))
        return [ListeningSample.model_validate(row) for row in rows]
    except (OSError, ValueError, TypeError, ValidationError):
        return []


def read_waves(folder: Path, files: Mapping[str, str]) -> Iterator[tuple[str, Wave]]:
    """Read waves by name, at 16 kHz: the rate of the metrics, and light on the page; damaged files are left out."""
    from unpaired.media.voice import audio_io  # noqa: PLC0415 - with packages that are optional

    for name, file in files.items():
        try:
            yield name, audio_io.read(folder / Path(file).name, SAMPLE_RATE_HZ).wave
        except UnpairedError:
            continue


def estimate_f0(wave: Wave) -> Doubles:
    """Estimate F0 (frames,) in Hz every 5 ms, 0 where unvoiced."""
    from unpaired.media.voice.world import World  # noqa: PLC0415 - with packages that are optional

    return np.asarray(World(sample_rate_hz=SAMPLE_RATE_HZ).analyse(wave)["f0"][0], np.float64)


def _describe_sample(folder: Path, sample: ListeningSample) -> dict[str, Any] | None:
    """Return one sentence for the template; None where all its files are gone or damaged."""
    waves = dict(read_waves(folder, sample.files))
    if not waves:
        return None
    curves = [
        Curve(name, estimate_f0(waves[name]), style=style) for name, style in _CURVE_STYLES.items() if name in waves
    ]
    return {
        "route": sample.route,
        "text": sample.sentence,
        "figures": [render_recording(wave, SAMPLE_RATE_HZ, name) for name, wave in waves.items()],
        "chart": render_f0_chart(curves, f"F0 of {', '.join(curve.name for curve in curves)}"),
        "legend": [(curve.style, curve.name) for curve in curves],
    }
