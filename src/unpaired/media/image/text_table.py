"""The measures of routes as a table to read, with what each figure means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from unpaired.media.image.measurement import RouteMeasures


class MeasureRow(NamedTuple):
    """A measure as a table shows it: its label, its field, decimals, and which way is better."""

    label: str
    name: str
    digits: int
    better: str


ROWS = (
    MeasureRow("KID x1000", "kid", 1, "lower"),
    MeasureRow("FID", "fid", 1, "lower"),
    MeasureRow("L1 to the truth", "l1", 3, "lower"),
    MeasureRow("PSNR to the truth, dB", "psnr", 1, "higher"),
    MeasureRow("SSIM to the truth", "ssim", 3, "higher"),
    MeasureRow("cycle error", "cycle", 3, "lower"),
    MeasureRow("content kept: features", "feature_similarity", 3, "1 = all"),
    MeasureRow("content kept: edges", "edge_similarity", 3, "1 = all"),
    MeasureRow("change", "change", 3, "0 = none"),
)
IDENTITY_VALUES = {"cycle": 0.0, "change": 0.0, "feature_similarity": 1.0, "edge_similarity": 1.0}
HEADER = ("", "translated", "doing nothing", "real to real", "better")


def format_table(measures: Sequence[RouteMeasures]) -> str:
    """A block per route: a line per measure that there is, with doing nothing and real to real beside it."""
    return "\n\n".join(_format_route(m) for m in measures)


def format_definitions(measures: Sequence[RouteMeasures]) -> str:
    """What the figures of these measures mean, a line each; the feature network is named where it was used."""
    values = [m.model_dump() for m in measures]
    measured = {row.name for row in ROWS for v in values if v[row.name] is not None}
    lines = []
    for net in dict.fromkeys(m.features for m in measures if m.features is not None):
        lines.append(f"KID, FID and content kept by features: of {net}; not comparable with another network's.")
    if "kid" in measured:
        lines += [
            "KID: distance of the translations to the target's real items, unbiased (Binkowski 2018), cubic kernel, "
            "+- its standard error.",
            "real to real: how far apart random halves of the target's real items typically are.",
        ]
    lines += dict.fromkeys(m.fid_warning for m in measures if m.fid is not None and m.fid_warning is not None)
    if "l1" in measured:
        lines.append("L1: share of the whole range. PSNR: at most 100 dB. SSIM: even 7 x 7 windows, range 1.")
    if "cycle" in measured:
        lines.append("cycle error: L1 of the way there and back to the input.")
    lines.append("change, content kept: translation against input; edges disregard colour and inverted contrast.")
    if not any(m.features for m in measures):
        lines.append("no KID: the feature network is not installed (pip install 'unpaired[features]').")
    return "\n".join(lines)


def _format_route(m: RouteMeasures) -> str:
    paired = f", {m.pairs} pairs" if m.pairs else ""
    title = f"{m.route} ({m.sources} items against {m.targets} real ones{paired}; features: {m.features or 'none'})"
    rows = [HEADER]
    values = m.model_dump()
    for row in ROWS:
        if values[row.name] is None:
            continue
        value = _format_number(values[row.name], row.digits)
        if row.name == "kid" and m.kid_error is not None:
            value += f" +- {m.kid_error:.{row.digits}f}"
        identity = values.get(f"{row.name}_baseline", IDENTITY_VALUES.get(row.name))
        real = values.get(f"{row.name}_real")
        rows.append(
            (row.label, value, _format_number(identity, row.digits), _format_number(real, row.digits), row.better)
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADER))]
    lines = [title]
    for cells_of_row in rows:
        label, *cells = (text.rjust(width) for text, width in zip(cells_of_row, widths, strict=True))
        lines.append("  ".join(["", label.strip().ljust(widths[0]), *cells]).rstrip())
    return "\n".join(lines)


def _format_number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
