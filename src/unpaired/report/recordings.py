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
from unpaired.evaluation.voice import table
from unpaired.evaluation.voice.frames import Doubles, Wave
from unpaired.evaluation.voice.measure import VoiceMeasures
from unpaired.report import words
from unpaired.report.charts import Look, swatch
from unpaired.report.voice import Curve, f0_chart, voice
from unpaired.runs.folder import RunFolder

FLAT_DB = -1.0
"""A mean bias of global variance below which a spectrum is said to be blurred."""
RATE_HZ = 16000
"""The rate of what is heard and drawn."""
_SHOWN: dict[str, Look] = {"source": "nothing", "converted": "main", "target": "real"}


class Heard(BaseModel):
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
    asked: tuple[str, ...]
    texts: str
    measures: tuple[VoiceMeasures, ...]
    own: bool

    @property
    def routes(self) -> dict[str, list[VoiceMeasures]]:
        """The measures of each route."""
        names = dict.fromkeys(m.route for m in self.measures)
        return {name: [m for m in self.measures if m.route == name] for name in names}


def read_test(folder: RunFolder) -> VoiceTest | None:
    """The last evaluation; None where there is none that can be read."""
    try:
        found = json.loads(folder.evaluation.read_text(encoding="utf-8"))
        measures = tuple(VoiceMeasures.model_validate(row) for row in found["voices"])
        return VoiceTest(
            int(found["step"]),
            found["set"],
            found["checkpoint"],
            found["vocoder"],
            found["pairs"],
            int(found["limit"]),
            tuple(found["asked"]),
            found["texts"],
            measures,
            bool(found["own"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def verdict(test: VoiceTest) -> list[tuple[str, str]]:
    """Whether each route worked, and by which figures."""
    return [(words.arrow(route), judged(systems)) for route, systems in test.routes.items()]


def judged(systems: Sequence[VoiceMeasures]) -> str:
    """A route's run against doing nothing and the converters without training."""
    by = {m.system: m for m in systems}
    run = by["converted"]
    floor = [by[name] for name in ("do nothing", "affine", "kNN") if name in by]
    told = [text for text in (figure(run, floor, name) for name in ("similarity", "mcd", "gv")) if text]
    better = [wins(run, floor, name) for name in ("similarity", "mcd", "gv", "modulation")]
    first = next((won for won in better if won is not None), None)
    opening = {None: "not measured", True: "beats every converter without training", False: "no better than "}[first]
    if first is False:
        name = next(n for n, won in zip(("similarity", "mcd", "gv", "modulation"), better, strict=True) if won is False)
        opening += nearest(floor, name).system + ", which needs no training"
    blurred = ""
    if run.gv_bias is not None and run.gv_bias < FLAT_DB:
        blurred = f" Its spectrum is {-run.gv_bias:.1f} dB flatter than the target's, that is, blurred."
    return f"{opening}: {'; '.join(told)}.{blurred}" if told else f"{opening}."


LABELS = {"similarity": ("similarity to the target", 2), "mcd": ("MCD in dB", 1), "gv": ("GV distance in dB", 1)}


def figure(run: VoiceMeasures, floor: Sequence[VoiceMeasures], name: str) -> str:
    """A measure beside the others; empty where it was not taken."""
    value = value_of(run, name)
    if value is None:
        return ""
    label, digits = LABELS[name]
    others = [(m.system, value_of(m, name)) for m in floor]
    beside = ", ".join(f"{system} {other:.{digits}f}" for system, other in others if other is not None)
    return f"{label} {value:.{digits}f} ({beside})"


def wins(run: VoiceMeasures, floor: Sequence[VoiceMeasures], name: str) -> bool | None:
    """Whether the run is nearer to the target than all of the floor; None where that was not measured."""
    value = value_of(run, name)
    others = [other for m in floor if (other := value_of(m, name)) is not None]
    if value is None or not others:
        return None
    return value > max(others) if name == "similarity" else value < min(others)


def nearest(floor: Sequence[VoiceMeasures], name: str) -> VoiceMeasures:
    """The best of the floor."""
    sign = -1 if name == "similarity" else 1
    return min((m for m in floor if value_of(m, name) is not None), key=lambda m: sign * (value_of(m, name) or 0))


def value_of(m: VoiceMeasures, name: str) -> float | None:
    """A measure by its name."""
    value: float | None = m.model_dump(include={name})[name]
    return value


def measures_table(test: VoiceTest) -> str:
    """A table for each route, what was measured on, and what the rows mean."""
    on = f"Measured at the {test.checkpoint} checkpoint, step {test.step:,}, on {test.set}. Sounds by: {test.vocoder}."
    blocks = "".join(block(route, systems) for route, systems in test.routes.items())
    meanings = "".join(f"<li>{escape(line)}</li>" for line in table.definitions(test.measures).splitlines())
    return f'<p class="soft">{escape(on)}</p>{blocks}<ul class="meanings">{meanings}</ul>'


def block(route: str, systems: Sequence[VoiceMeasures]) -> str:
    """The table of one route."""
    head, *rows = table.rows(systems)
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in head[1:-1])
    lines = "".join(
        f'<tr><th scope="row">{escape(label)} <span class="soft hint">{escape(hint(better))}</span></th>'
        f"{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
        for label, *cells, better in rows
    )
    return (
        f'<h3>{escape(words.arrow(route))} <span class="soft">{escape(table.about(systems))}</span></h3>'
        f'<div class="scroll"><table class="measures"><thead><tr><td></td>{heads}</tr></thead><tbody>{lines}</tbody>'
        "</table></div>"
    )


def hint(better: str) -> str:
    """What is better, in words."""
    return "nearer to 0 is better" if better == "0" else f"{better} is better"


def listening(folder: RunFolder) -> str:
    """Sentences of the last evaluation: source, converted and target to hear and to see, the baselines to hear."""
    shown = "".join(sentence(folder.listening, one) for one in heard(folder))
    if not shown:
        return "<h2>To hear</h2><p>Nothing was kept to listen to: evaluate the run.</p>"
    return f"<h2>To hear</h2>{shown}"


def heard(folder: RunFolder) -> list[Heard]:
    """The sentences that the last evaluation kept; none where they cannot be read."""
    try:
        rows = json.loads((folder.listening / "listening.json").read_text(encoding="utf-8"))
        return [Heard.model_validate(row) for row in rows]
    except (OSError, ValueError, TypeError, ValidationError):
        return []


def sentence(folder: Path, kept: Heard) -> str:
    """One sentence; what is gone or damaged is left out."""
    waves = dict(read(folder, kept.files))
    if not waves:
        return ""
    figures = "".join(voice(wave, RATE_HZ, name) for name, wave in waves.items())
    curves = [Curve(name, pitch(waves[name]), look=look) for name, look in _SHOWN.items() if name in waves]
    told = f"F0 of {', '.join(curve.name for curve in curves)}"
    legend = "".join(f"<span>{swatch(curve.look)}{escape(curve.name)}</span>" for curve in curves)
    chart = f0_chart(curves, told)
    drawn = f'<div class="legend">{legend}</div>{chart}' if chart else ""
    return (
        f'<h3>{escape(words.arrow(kept.route))}: <span class="soft">{escape(kept.sentence)}</span></h3>'
        f'<div class="grids">{figures}</div>{drawn}'
    )


def read(folder: Path, files: Mapping[str, str]) -> Iterator[tuple[str, Wave]]:
    """The waves by name, at 16 kHz: what measures see, and light on the page."""
    from unpaired.media.voice import recording  # noqa: PLC0415 - with packages that are optional

    for name, file in files.items():
        try:
            yield name, recording.read(folder / Path(file).name, RATE_HZ).wave
        except UnpairedError:
            continue


def pitch(wave: Wave) -> Doubles:
    """F0 (frames,) in Hz every 5 ms, 0 where unvoiced."""
    from unpaired.media.voice.world import World  # noqa: PLC0415 - with packages that are optional

    return np.asarray(World(sample_rate_hz=RATE_HZ).analyse(wave)["f0"][0], np.float64)
