"""Pages of a comparison: `compare.html`, one self-contained file, and `compare.json` with the same content."""

from __future__ import annotations

import json
import math
from typing import Any

from unpaired.atomic import atomic_write
from unpaired.comparison import ranking, recommendations, tables
from unpaired.comparison.folder import ComparisonFolder
from unpaired.comparison.result import Comparison
from unpaired.comparison.tables import Table
from unpaired.metrics.route_table import list_definitions
from unpaired.report.page import build_settings_table
from unpaired.report.run_text import join_domains
from unpaired.report.templating import render

OPEN_DIRECTIONS = 2
"""Number of directions whose tables are shown expanded."""
SHARED_SECTIONS = ("data", "networks", "training")
"""Sections of settings that are equal for all methods, except for --set."""


def write_page(folder: ComparisonFolder, comparison: Comparison) -> None:
    """Write both files, each atomically; raises WorkError."""
    with atomic_write(folder.results_file) as temporary:
        temporary.write_text(json.dumps(build_json(comparison), indent=2, allow_nan=False) + "\n", encoding="utf-8")
    with atomic_write(folder.page_file) as temporary:
        temporary.write_text(render_page(folder, comparison), encoding="utf-8", errors="replace")


def build_json(comparison: Comparison) -> dict[str, Any]:
    """Return the results, the rankings and the recommendations; non-finite numbers become null."""
    judges = ranking.choose_judges(comparison)
    overall = ranking.rank_overall(comparison.results, comparison.directions, judges)
    by_direction = {d: ranking.rank_direction(comparison.results, d, judges) for d in comparison.directions}
    values: dict[str, Any] = comparison.model_dump(mode="json")
    values["ranking_metric"] = judges[0].name
    values["judge_metrics"] = [metric.name for metric in judges]
    values["ranking"] = {
        key: [
            {"method": m.method, "rank": m.rank, "value": m.value, "error": m.error, "spread": m.spread} for m in ranked
        ]
        for key, ranked in {"all": overall, **by_direction}.items()
    }
    values["advice"] = [{"direction": head, "text": text} for head, text in recommendations.recommend(comparison)]
    finite_values: dict[str, Any] = replace_non_finite(values)
    return finite_values


def replace_non_finite(value: Any) -> Any:
    """Replace infinite values and NaN, which JSON cannot represent, by None."""
    if isinstance(value, dict):
        return {key: replace_non_finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [replace_non_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def format_comparison(comparison: Comparison, max_width: int | None = None) -> str:
    """Format the rankings and the recommendations for a terminal with lines of `max_width` characters."""
    methods, by_direction = build_tables(comparison)
    parts = [tables.format_text(methods, max_width)]
    parts += [f"{d}\n{tables.format_text(table, max_width)}" for d, table in by_direction[:OPEN_DIRECTIONS]]
    parts += [f"{head}: {text}" for head, text in recommendations.recommend(comparison)]
    return "\n\n".join([*parts, *recommendations.list_notices(comparison)])


def build_tables(comparison: Comparison) -> tuple[Table, list[tuple[str, Table]]]:
    """Build the table of all methods, and one table per direction."""
    directions = [(d, tables.build_direction_table(comparison, d)) for d in comparison.directions]
    return tables.build_methods_table(comparison), directions


def render_page(folder: ComparisonFolder, comparison: Comparison) -> str:
    """Render the page as HTML."""
    medium = comparison.get_medium()
    methods_table, direction_tables = build_tables(comparison)
    finished = [r.method for r in comparison.finished]
    return render(
        "compare",
        title=f"methods compared: {join_domains(comparison.domains)}",
        footer=f"unpaired {comparison.unpaired}, comparison {folder.path}",
        setup=recommendations.describe_setup(comparison),
        advice=recommendations.recommend(comparison),
        notices=recommendations.list_notices(comparison),
        methods_table=methods_table,
        direction_tables=direction_tables,
        open_directions=OPEN_DIRECTIONS,
        hint=f"{medium.comparison_hint} {recommendations.describe_uncertainty(comparison)}",
        device=comparison.device,
        medium_sections=medium.comparison_sections(folder, comparison),
        measured_on=_describe_items(comparison),
        rules=[*recommendations.list_rules(comparison), *list_definitions(medium, comparison.get_routes())],
        path=comparison.path,
        finished=finished,
        has_spread=comparison.has_spread,
        translate_command=_build_translate_command(comparison),
        settings=_list_settings(comparison),
    )


def _describe_items(comparison: Comparison) -> str:
    return next(
        (f"All methods were measured on the same items: {r.measured_on}." for r in comparison.results if r.measured_on),
        "",
    )


def _build_translate_command(comparison: Comparison) -> tuple[str, ...]:
    """Return the command that translates with the best method."""
    judges = ranking.choose_judges(comparison)
    order = [m.method for m in ranking.rank_overall(comparison.results, comparison.directions, judges)]
    first = tables.sort_results(comparison.results, order)[0].method
    files = comparison.get_medium().files_noun.upper()
    return ("unpaired", "translate", f"{comparison.path}/{first}", files, "--to", comparison.domains[1], "--out", "DIR")


def _list_settings(comparison: Comparison) -> list[dict[str, Any]]:
    """Return tables of the settings of each method, and of the shared settings."""
    own = [
        build_settings_table(f"method: {name}", settings.get("method_settings", {}), None)
        for name, settings in comparison.settings.items()
    ]
    shared = next(iter(comparison.settings.values()), {})
    return own + [build_settings_table(k, values, None) for k, values in shared.items() if k in SHARED_SECTIONS]
