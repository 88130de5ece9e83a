"""What the page of a run of recordings shows in place of pictures: sentences to hear and see, and their measures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ValidationError

from unpaired.errors import UnpairedError
from unpaired.media.voice.metrics import measures_table
from unpaired.media.voice.metrics.acoustic_frames import Doubles, Wave
from unpaired.media.voice.metrics.measurement import VoiceMeasures
from unpaired.media.voice.report_figures import Curve, f0_chart, render_voice
from unpaired.report import run_text
from unpaired.report.charts import LineStyle, render_swatch
from unpaired.runs.folder import RunFolder

BLURRED_GV_BIAS_DB = -1.0
"""A mean bias of global variance below which a spectrum is said to be blurred."""
SAMPLE_RATE_HZ = 16000
"""The rate of what is heard and drawn."""
_CURVE_STYLES: dict[str, LineStyle] = {"source": "nothing", "converted": "main", "target": "real"}


class ListeningSample(BaseModel):
    """A sentence to listen to: its route, what is said, and a file for each voice of it."""

    route: str
    sentence: str
    files: dict[str, str]


@dataclass(frozen=True)
class VoiceTest:
    """What `unpaired evaluate` wrote last of a run of recordings: the measures, and how they were asked for."""

    step: int
    set: str
    checkpoint: str
    vocoder: str
    pairs: bool
    limit: int
    judge_kinds: tuple[str, ...]
    texts: str
    measures: tuple[VoiceMeasures, ...]
    is_own_data: bool

    @property
    def routes(self) -> dict[str, list[VoiceMeasures]]:
        """The measures of each route."""
        names = dict.fromkeys(m.route for m in self.measures)
        return {name: [m for m in self.measures if m.route == name] for name in names}


def read_test(folder: RunFolder) -> VoiceTest | None:
    """The last evaluation; None where there is none that can be read."""
    try:
        content = json.loads(folder.evaluation.read_text(encoding="utf-8"))
        measures = tuple(VoiceMeasures.model_validate(row) for row in content["voices"])
        return VoiceTest(
            int(content["step"]),
            content["set"],
            content["checkpoint"],
            content["vocoder"],
            content["pairs"],
            int(content["limit"]),
            tuple(content["judge_kinds"]),
            content["texts"],
            measures,
            bool(content["is_own_data"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def describe_verdict(test: VoiceTest) -> list[tuple[str, str]]:
    """Whether each route worked, and by which figures."""
    return [(run_text.format_route(route), describe_route(systems)) for route, systems in test.routes.items()]


def describe_route(systems: Sequence[VoiceMeasures]) -> str:
    """A route's run against doing nothing and the converters without training."""
    measures_by_system = {m.system: m for m in systems}
    run = measures_by_system["converted"]
    baselines = [measures_by_system[name] for name in ("do nothing", "affine", "kNN") if name in measures_by_system]
    figures = [text for text in (format_measure(run, baselines, name) for name in ("similarity", "mcd", "gv")) if text]
    wins_by_measure = [beats_baselines(run, baselines, name) for name in ("similarity", "mcd", "gv", "modulation")]
    first_result = next((is_better for is_better in wins_by_measure if is_better is not None), None)
    summary = {None: "not measured", True: "beats every converter without training", False: "no better than "}[
        first_result
    ]
    if first_result is False:
        name = next(
            n
            for n, is_better in zip(("similarity", "mcd", "gv", "modulation"), wins_by_measure, strict=True)
            if is_better is False
        )
        summary += find_best(baselines, name).system + ", which needs no training"
    blur_note = ""
    if run.gv_bias is not None and run.gv_bias < BLURRED_GV_BIAS_DB:
        blur_note = f" Its spectrum is {-run.gv_bias:.1f} dB flatter than the target's, that is, blurred."
    return f"{summary}: {'; '.join(figures)}.{blur_note}" if figures else f"{summary}."


LABELS = {"similarity": ("similarity to the target", 2), "mcd": ("MCD in dB", 1), "gv": ("GV distance in dB", 1)}


def format_measure(run: VoiceMeasures, baselines: Sequence[VoiceMeasures], name: str) -> str:
    """A measure beside the others; empty where it was not taken."""
    value = get_measure(run, name)
    if value is None:
        return ""
    label, digits = LABELS[name]
    others = [(m.system, get_measure(m, name)) for m in baselines]
    baseline_text = ", ".join(f"{system} {other:.{digits}f}" for system, other in others if other is not None)
    return f"{label} {value:.{digits}f} ({baseline_text})"


def beats_baselines(run: VoiceMeasures, baselines: Sequence[VoiceMeasures], name: str) -> bool | None:
    """Whether the run is nearer to the target than all of the floor; None where that was not measured."""
    value = get_measure(run, name)
    others = [other for m in baselines if (other := get_measure(m, name)) is not None]
    if value is None or not others:
        return None
    return value > max(others) if name == "similarity" else value < min(others)


def find_best(baselines: Sequence[VoiceMeasures], name: str) -> VoiceMeasures:
    """The best of the floor."""
    sign = -1 if name == "similarity" else 1
    return min(
        (m for m in baselines if get_measure(m, name) is not None), key=lambda m: sign * (get_measure(m, name) or 0)
    )


def get_measure(m: VoiceMeasures, name: str) -> float | None:
    """A measure by its name."""
    value: float | None = m.model_dump(include={name})[name]
    return value


def render_measures_table(test: VoiceTest) -> str:
    """A table for each route, what was measured on, and what the rows mean."""
    measured_on = (
        f"Measured at the {test.checkpoint} checkpoint, step {test.step:,}, on {test.set}. Sounds by: {test.vocoder}."
    )
    blocks = "".join(render_route_table(route, systems) for route, systems in test.routes.items())
    meanings = "".join(
        f"<li>{escape(line)}</li>" for line in measures_table.format_definitions(test.measures).splitlines()
    )
    return f'<p class="soft">{escape(measured_on)}</p>{blocks}<ul class="meanings">{meanings}</ul>'


def render_route_table(route: str, systems: Sequence[VoiceMeasures]) -> str:
    """The table of one route."""
    head, *rows = measures_table.build_rows(systems)
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in head[1:-1])
    lines = "".join(
        f'<tr><th scope="row">{escape(label)} <span class="soft hint">{escape(format_hint(wins_by_measure))}</span></th>'
        f"{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
        for label, *cells, wins_by_measure in rows
    )
    return (
        f'<h3>{escape(run_text.format_route(route))} <span class="soft">{escape(measures_table.describe_counts(systems))}</span></h3>'
        f'<div class="scroll"><table class="measures"><thead><tr><td></td>{heads}</tr></thead><tbody>{lines}</tbody>'
        "</table></div>"
    )


def format_hint(wins_by_measure: str) -> str:
    """What is better, in words."""
    return "nearer to 0 is better" if wins_by_measure == "0" else f"{wins_by_measure} is better"


def render_listening(folder: RunFolder) -> str:
    """Sentences of the last evaluation: source, converted and target to hear and to see, the baselines to hear."""
    samples_html = "".join(render_sample(folder.listening_samples, sample) for sample in read_listening_samples(folder))
    if not samples_html:
        return "<h2>To hear</h2><p>Nothing was kept to listen to: evaluate the run.</p>"
    return f"<h2>To hear</h2>{samples_html}"


def read_listening_samples(folder: RunFolder) -> list[ListeningSample]:
    """The sentences that the last evaluation kept; none where they cannot be read."""
    try:
        rows = json.loads((folder.listening_samples / "listening.json").read_text(encoding="utf-8"))
        return [ListeningSample.model_validate(row) for row in rows]
    except (OSError, ValueError, TypeError, ValidationError):
        return []


def render_sample(folder: Path, sample: ListeningSample) -> str:
    """One sentence; what is gone or damaged is left out."""
    waves = dict(read_waves(folder, sample.files))
    if not waves:
        return ""
    figures = "".join(render_voice(wave, SAMPLE_RATE_HZ, name) for name, wave in waves.items())
    curves = [
        Curve(name, estimate_f0(waves[name]), style=look) for name, look in _CURVE_STYLES.items() if name in waves
    ]
    label = f"F0 of {', '.join(curve.name for curve in curves)}"
    legend = "".join(f"<span>{render_swatch(curve.style)}{escape(curve.name)}</span>" for curve in curves)
    chart = f0_chart(curves, label)
    chart_html = f'<div class="legend">{legend}</div>{chart}' if chart else ""
    return (
        f'<h3>{escape(run_text.format_route(sample.route))}: <span class="soft">{escape(sample.sentence)}</span></h3>'
        f'<div class="grids">{figures}</div>{chart_html}'
    )


def read_waves(folder: Path, files: Mapping[str, str]) -> Iterator[tuple[str, Wave]]:
    """The waves by name, at 16 kHz: what measures see, and light on the page."""
    from unpaired.media.voice import audio_io  # noqa: PLC0415 - with packages that are optional

    for name, file in files.items():
        try:
            yield name, audio_io.read(folder / Path(file).name, SAMPLE_RATE_HZ).wave
        except UnpairedError:
            continue


def estimate_f0(wave: Wave) -> Doubles:
    """F0 (frames,) in Hz every 5 ms, 0 where unvoiced."""
    from unpaired.media.voice.world import World  # noqa: PLC0415 - with packages that are optional

    return np.asarray(World(sample_rate_hz=SAMPLE_RATE_HZ).analyse(wave)["f0"][0], np.float64)
