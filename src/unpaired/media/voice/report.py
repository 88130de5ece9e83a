"""Listening samples of the last evaluation in a run's report, with spectrograms and F0."""

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
"""Sample rate of players and figures in Hz."""
_CURVE_STYLES: dict[str, LineStyle] = {"source": "nothing", "converted": "main", "target": "real"}


class ListeningSample(BaseModel):
    """Listening sample: its route, the name of the sentence, and the file of each converter."""

    route: str
    sentence: str
    files: dict[str, str]


def render_listening(folder: RunFolder) -> Markup:
    """Render the listening samples of the last evaluation: source, converted, baselines and target."""
    descriptions = [_describe_sample(folder.listening_samples, sample) for sample in read_listening_samples(folder)]
    return render(
        "voice_sentences",
        heading="Listening samples",
        sentences=[sentence for sentence in descriptions if sentence is not None],
        empty_hint="There are no listening samples; evaluate the run to create them.",
    )


def read_listening_samples(folder: RunFolder) -> list[ListeningSample]:
    """Read the list of listening samples of the last evaluation; an empty list if it cannot be read."""
    try:
        rows = json.loads((folder.listening_samples / "listening.json").read_text(encoding="utf-8"))
        return [ListeningSample.model_validate(row) for row in rows]
    except (OSError, ValueError, TypeError, ValidationError):
        return []


def read_waves(folder: Path, files: Mapping[str, str]) -> Iterator[tuple[str, Wave]]:
    """Yield (name, wave at 16 kHz) for each file, skipping damaged ones; this rate keeps the page small."""
    from unpaired.media.voice import audio_io  # noqa: PLC0415 - imports optional packages

    for name, file in files.items():
        try:
            yield name, audio_io.read(folder / Path(file).name, SAMPLE_RATE_HZ).wave
        except UnpairedError:
            continue


def estimate_f0(wave: Wave) -> Doubles:
    """Estimate F0 (frames,) in Hz every 5 ms, 0 where unvoiced."""
    from unpaired.media.voice.world import World  # noqa: PLC0415 - imports optional packages

    return np.asarray(World(sample_rate_hz=SAMPLE_RATE_HZ).analyse(wave)["f0"][0], np.float64)


def _describe_sample(folder: Path, sample: ListeningSample) -> dict[str, Any] | None:
    """Return one listening sample for the template; None if all its files are missing or damaged."""
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
