"""The measures of voices as a table to read, with what each figure means."""

from __future__ import annotations

from collections.abc import Sequence

from unpaired.media.image.text_table import MeasureRow
from unpaired.media.voice.metrics.acoustic_frames import LOUD_RANGE_DB
from unpaired.media.voice.metrics.distribution import MAX_MODULATION_HZ, MIN_MODULATION_HZ
from unpaired.media.voice.metrics.measurement import VoiceMeasures

ROWS = (
    MeasureRow("MCD, dB", "mcd", 2, "lower"),
    MeasureRow("F0 RMSE, cents", "f0_rmse", 0, "lower"),
    MeasureRow("voicing error", "voicing_error", 3, "lower"),
    MeasureRow("GV distance, dB", "gv", 2, "lower"),
    MeasureRow("GV bias, dB", "gv_bias", 2, "0"),
    MeasureRow("modulation distance, dB", "modulation", 2, "lower"),
    MeasureRow("frame distance", "frame_distance", 1, "lower"),
    MeasureRow("F0 mean, cents", "f0_mean", 0, "0"),
    MeasureRow("F0 deviation, cents", "f0_std", 0, "0"),
    MeasureRow("voiced share", "voiced_fraction", 3, "0"),
    MeasureRow("similarity to target", "similarity", 3, "higher"),
    MeasureRow("similarity to source", "similarity_source", 3, "lower"),
    MeasureRow("2nd judge: to target", "similarity_second", 3, "higher"),
    MeasureRow("2nd judge: to source", "similarity_second_source", 3, "lower"),
    MeasureRow("WER", "wer", 3, "lower"),
    MeasureRow("CER", "cer", 3, "lower"),
    MeasureRow("MOS, distillmos", "mos", 2, "higher"),
    MeasureRow("MOS, DNSMOS", "dnsmos", 2, "higher"),
)
_SIGNED = {"gv_bias", "f0_mean", "f0_std", "voiced_fraction"}

_ALIGNED_DEFINITIONS = (
    "MCD: 10 / ln 10 * sqrt(2 * sum over c1..c24 of squared differences), dB; mel-cepstra with alpha 0.41 of WORLD's "
    f"envelope at 16 kHz every 5 ms, of the wave analysed anew; of both sides the frames within {LOUD_RANGE_DB:.0f} dB of "
    "the sentence's loudest (root mean square of 25 ms), aligned by exact dynamic time warping; the mean along the "
    "path, then over sentences.",
    "F0 RMSE, voicing error: along that path; F0 where both are voiced, 1200 cents to the octave.",
)
_DISTRIBUTION_DEFINITIONS = (
    "GV distance: mean over c1..c24 of |10 log10(variance of output / of target)|, variances in time within a "
    "sentence, averaged over sentences; GV bias: without the bars, below 0 is flatter than the target.",
    "modulation distance: mean absolute difference in dB of the power spectra of the courses of c1..c24, "
    f"{MIN_MODULATION_HZ:.1f} to {MAX_MODULATION_HZ:.0f} Hz, in windows of 640 ms.",
    "frame distance: KID's formula on c1..c24 of three frames 30 ms apart, about the target's mean and in units of "
    "its deviation over all coefficients, times 1000.",
    "F0 mean and deviation, voiced share: of all loud frames of all sentences, output less target.",
)


def format_table(measures: Sequence[VoiceMeasures]) -> str:
    """A block per route: a line per measure that there is, a column per system."""
    routes = dict.fromkeys(m.route for m in measures)
    return "\n\n".join(_format_route(route, [m for m in measures if m.route == route]) for route in routes)


def format_definitions(measures: Sequence[VoiceMeasures]) -> str:
    """What the figures of these measures mean, a line each; judges are named, missing ones with what to install."""
    lines: list[str] = []
    available = {row.name for row in ROWS for m in measures if _get_value(m, row.name) is not None}
    if "mcd" in available:
        lines += _ALIGNED_DEFINITIONS
    if "gv" in available:
        lines += _DISTRIBUTION_DEFINITIONS
    if available & {"similarity", "similarity_second"}:
        lines.append("similarity: cosine of the mean speaker embeddings of output and target, or source.")
    if "wer" in available:
        lines.append("WER, CER: edits per word, per character of the text; in lower case, without punctuation.")
    if available & {"mos", "dnsmos"}:
        lines.append("MOS: what listeners would say from 1 to 5, guessed by a network; the mean over sentences.")
    if any(m.system == "real target" for m in measures):
        lines.append("real target: every second of its sentences against the others; WER, CER and MOS of all.")
    judges = dict.fromkeys(judge for m in measures for judge in m.judges)
    if judges:
        lines.append(f"judged by: {', '.join(judges)}.")
    return "\n".join([*lines, *(f"{reason}." for reason in dict.fromkeys(r for m in measures for r in m.missing))])


def build_rows(systems: Sequence[VoiceMeasures]) -> list[list[str]]:
    """The cells of one route: a head of the systems' names, then each measure that there is, its figures and what is
    better (lower, higher or 0).
    """
    lines = [["", *(m.system for m in systems), "better"]]
    for row in ROWS:
        values = [_get_value(m, row.name) for m in systems]
        if any(value is not None for value in values):
            lines.append([row.label, *(_format_number(value, row) for value in values), row.better])
    return lines


def describe_counts(systems: Sequence[VoiceMeasures]) -> str:
    """On how many sentences one route was measured."""
    first = systems[0]
    paired = ", parallel" if any(m.pairs for m in systems if m.system != "copy-synthesis") else ""
    return f"{first.outputs} sentences, {first.targets} of the target{paired}"


def _format_route(route: str, systems: Sequence[VoiceMeasures]) -> str:
    cells = build_rows(systems)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [f"{route} ({describe_counts(systems)})"]
    for label, *figures in cells:
        padded = (figure.rjust(width) for figure, width in zip(figures, widths[1:], strict=True))
        lines.append("  ".join(["", label.ljust(widths[0]), *padded]).rstrip())
    return "\n".join(lines)


def _get_value(m: VoiceMeasures, name: str) -> float | None:
    value: float | None = m.model_dump(include={name})[name]
    return value


def _format_number(value: float | None, row: MeasureRow) -> str:
    return "-" if value is None else f"{value:{'+' if row.name in _SIGNED else ''}.{row.digits}f}"
