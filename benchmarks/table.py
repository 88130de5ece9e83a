"""Tables of the README and the docs, generated from results.jsonl: `python -m benchmarks.table` rewrites them.

`--check` only checks whether they are up to date (exit code 1 if not). The newest row of each command is used.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import search_table
from benchmarks.race import read_figures
from benchmarks.race_table import format_table
from benchmarks.results import FILE, rows
from unpaired.methods import METHODS

ROOT = Path(__file__).parent.parent
PAGES = (
    ROOT / "README.md",
    ROOT / "docs" / "results.md",
    ROOT / "docs" / "compare.md",
    *sorted((ROOT / "docs" / "methods").glob("*.md")),
)
Row = dict[str, Any]
CURRENT_FLAGS = {"--average": "--ema-decay", "--decay-from": "--lr-decay-start"}
"""Former name of a flag in the commands of rows -> its current name, which tables show."""


def quality() -> str:
    """Render one line per run and route, with the untranslated inputs as baseline."""
    newest = {row["command"]: row for row in rows("quality") if row["figures"]["method"] != "gan"}
    lines = [
        "| data | method, preset | steps, seconds | direction | L1 | PSNR | SSIM | KID x1000 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    done: set[tuple[str, str]] = set()
    for row in sorted(newest.values(), key=lambda r: (r["figures"]["data"], r["figures"]["method"])):
        figures = row["figures"]
        for route, m in figures["last"].items():
            if (figures["data"], route) not in done:
                done.add((figures["data"], route))
                lines.append(
                    f"| {figures['data']} | doing nothing | - | {arrow(route)} | {format_quality(m, '_baseline')} |"
                )
            name = f"{figures['method']}, {label(row)}"
            time = f"{figures['steps']}, {figures['seconds']}"
            lines.append(f"| {figures['data']} | {name} | {time} | {arrow(route)} | {format_quality(m)} |")
    return "\n".join(lines)


def label(row: Row) -> str:
    """Return the preset and the flags of a row's command that change it."""
    words = row["command"].split()[4:]
    hidden = {"--size", "--minutes", "--steps", "--method", "--preset", "--seed", "--out", "--precision", "--threads"}
    shown, skip = [], False
    for word, value in zip(words, [*words[1:], ""], strict=True):
        if skip or not word.startswith("--"):
            skip = False
        elif word in hidden:
            skip = True
        else:
            flag = CURRENT_FLAGS.get(word, word)
            shown.append(f"{flag} {value}".removesuffix(" ") if not value.startswith("--") else flag)
            skip = not value.startswith("--")
    return " ".join([row["figures"]["preset"], *(f"`{flag}`" for flag in shown)])


def arrow(route: str) -> str:
    """Format a route with an arrow."""
    return route.replace("->", "→")


def format_quality(measures: dict[str, float], suffix: str = "") -> str:
    """Format L1, PSNR, SSIM and KID as table cells."""
    digits = {"l1": 3, "psnr": 1, "ssim": 3, "kid": 0}
    return " | ".join(
        f"{measures[name + suffix]:.{n}f}" if name + suffix in measures else "-" for name, n in digits.items()
    )


def step() -> str:
    """Render one line per method and preset: step time of the package and of the plain implementation."""
    newest = {row["command"]: row for row in rows("step")}
    lines = [
        "| method, preset | size, batch | precision | from the equations, ms | this package, ms | ratio |",
        "|---|---|---|---|---|---|",
    ]
    for row in newest.values():
        f = row["figures"]
        lines.append(
            f"| {f['method']}, {f['preset']} | {f['size']}, {f['batch_size']} | {f['precision']} | "
            f"{1000 * f['straight_seconds']:.0f} | {1000 * f['seconds']:.0f} | {f['ratio']:.2f} |"
        )
    return "\n".join(lines)


def methods() -> str:
    """Render the table of methods."""
    lines = ["| method | family | domains | content constraint | paper |", "|---|---|---|---|---|"]
    for row in METHODS.values():
        page = f"[{row.name}](docs/methods/{row.name}.md)"
        lines.append(f"| {page} | {row.family} | {row.domains} | {row.constraint} | {row.paper} ({row.year}) |")
    return "\n".join(lines)


def depth() -> str:
    """Render one line per depth of `gan`: distances of the output from the input and the ground truth."""
    newest = {row["command"]: row for row in rows("quality") if row["figures"]["method"] == "gan"}
    lines = [
        "| data, direction | depth | steps | change of the input | edges kept | L1 | SSIM | KID x1000 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in sorted(newest.values(), key=lambda r: (r["figures"]["data"], depth_of(r))):
        figures = row["figures"]
        for route, m in figures["last"].items():
            lines.append(
                f"| {figures['data']}, {arrow(route)} | {depth_of(row)} | {figures['steps']} | {m['change']:.3f} | "
                f"{m['edge_similarity']:.2f} | {m['l1']:.3f} | {m['ssim']:.3f} | {m['kid']:.0f} |"
            )
    return "\n".join(lines)


def stages() -> str:
    """Render one line per generator of a depth search: teacher, distilled generator, fixed deep generator."""
    newest = {row["command"]: row for row in rows("depth")}
    lines = [
        "| data, direction | generator | depth | steps | change of the input | edges kept | L1 | SSIM | KID x1000 |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in newest.values():
        for name, run in row["figures"]["runs"].items():
            for route, m in run["last"].items():
                lines.append(
                    f"| {row['figures']['data']}, {arrow(route)} | {name} | {run['depth']} | {run['steps']} | "
                    f"{m['change']:.3f} | {m['edge_similarity']:.2f} | {m['l1']:.3f} | {m['ssim']:.3f} | "
                    f"{m['kid']:.0f} |"
                )
    return "\n".join(lines)


HEAD = (
    "| data | method | minutes, steps | L1 | SSIM | KID x1000, EfficientNet-Lite0 | KID x1000, AlexNet | edges kept | "
    "ms per item |",
    "|---" * 9 + "|",
)
COMPARED = (("l1", 3), ("ssim", 2), ("kid", 0), ("kid_alexnet", 0))
"""Measures in the comparison's table, with their decimal places."""


def comparison(only: str | None = None) -> str:
    """Render one line per compared method (or `only` one), sorted by KID of the first route, with a baseline.

    A cell contains the figures of both routes. The baseline needs no run: its figures may be those of another row.
    """
    newest = {
        (tuple(row["figures"]["domains"]), row["figures"]["method"]): row["figures"] for row in rows("comparison")
    }
    baselines: dict[tuple[tuple[str, ...], str], dict[str, Any]] = {}
    for (domains, _), f in newest.items():
        for route, measures in f["routes"].items():
            measured = {name: value for name, value in measures.items() if name.endswith("_baseline")}
            baselines.setdefault((domains, route), {}).update(measured)
    lines, done = list(HEAD), set()
    for (domains, method), f in sorted(newest.items(), key=sort_key):
        data, routes = " / ".join(domains), list(f["routes"].values())
        if only not in {None, method}:
            continue
        if (data not in done and len(routes) == len(domains)) or only is not None:
            done.add(data)
            nothing = [baselines[domains, route] for route in f["routes"]]
            baseline = [format_both(nothing, f"{name}_baseline", n) for name, n in COMPARED]
            lines.append(
                f"| {data} | doing nothing | - | {' | '.join(baseline)} | {' / '.join('1' for _ in routes)} | - |"
            )
        cells = [format_both(routes, name, n) for name, n in (*COMPARED, ("edge_similarity", 2))]
        time = f"{f['seconds'] / 60:.2g}, {f['steps']}"
        lines.append(f"| {data} | {method} | {time} | {' | '.join(cells)} | {f['translate_ms']:.0f} |")
    return "\n".join(lines)


def sort_key(item: tuple[tuple[tuple[str, ...], str], dict[str, Any]]) -> tuple[tuple[str, ...], int, float]:
    """Return the sort key of a compared method: data, number of routes (descending), KID of the first route."""
    (domains, _), figures = item
    return domains, -len(figures["routes"]), next(iter(figures["routes"].values()))["kid"]


DIGIT_ROUTES = ("mnist -> usps", "usps -> mnist")
TEACHER = "teacher_on_target"
PLAIN = ("classifier_on_untranslated", "source_classifier_on_target", TEACHER)
PROTOCOLS = ("translated_digits", "adapted_classifier", "adapted_teacher")


def digits() -> str:
    """Render one line per method with all protocols for both routes, after the untranslated baseline."""
    head = ("method", "steps, minutes", "labels", "seeds", "translated, %", "adapted, %", "adapted, distorted, %")
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    grouped: dict[str, list[Row]] = {}
    for row in {row["command"] + str(row["seed"]): row for row in rows("digits")}.values():
        grouped.setdefault(digits_label(row), []).append(row)
    all_rows = [row for group in grouped.values() for row in group]
    plain_values = untranslated([row for row in all_rows if "--limit" not in row["command"]])
    baseline = [cell([list(plain_values.get((way, key), {}).values()) for way in DIGIT_ROUTES]) for key in PLAIN]
    seeds = len({seed for by_seed in plain_values.values() for seed in by_seed})
    lines.append(f"| untranslated | - | - | {seeds} | {' | '.join(baseline)} |")
    for name, group in grouped.items():
        f = group[0]["figures"]
        labels = "source's" if f.get("labels_used_in_training") else "none"
        cells = " | ".join(format_routes([row["figures"]["directions"] for row in group], key) for key in PROTOCOLS)
        count = len({row["seed"] for row in group})
        lines.append(f"| {name} | {f['steps']}, {f['seconds'] / 60:.0f} | {labels} | {count} | {cells} |")
    return "\n".join(lines)


def untranslated(runs: list[Row]) -> dict[tuple[str, str], dict[int, float]]:
    """Return the accuracies without translation: (route, figure) -> seed -> value."""
    out: dict[tuple[str, str], dict[int, float]] = {}
    for row in runs:
        figures, ways = row["figures"], row["figures"]["directions"]
        by_seed = {(way, key): found[key] for way, found in ways.items() for key in PLAIN if key in found}
        if TEACHER in figures:
            by_seed[next(iter(ways)), TEACHER] = figures[TEACHER]  # the teacher is trained on the first domain
        for where, value in by_seed.items():
            out.setdefault(where, {})[row["seed"]] = value
    return out


def format_routes(runs: list[dict[str, Any]], key: str) -> str:
    """Format a figure for both routes, each the mean over the runs that contain it."""
    return cell([[run[way].get(key) for run in runs if way in run] for way in DIGIT_ROUTES])


def cell(ways: list[list[float | None]]) -> str:
    """Format the mean per route, with a dash for missing values; a single dash if all are missing."""
    known = [[value for value in values if value is not None] for values in ways]
    shown = [f"{sum(values) / len(values):.1f}" if values else "-" for values in known]
    return " / ".join(shown) if any(known) else "-"


def digits_label(row: Row) -> str:
    """Return the method and the flags that change its settings."""
    words = row["command"].split()[4:]
    hidden = {
        "--method",
        "--seed",
        "--threads",
        "--learn",
        "--evaluate-every",
        "--sample-every",
        "--batch",
        "--batch-size",
        "--steps",
    }
    hidden |= {"--minutes", "--preset", "--source"}
    pairs = [(a, b) for a, b in itertools.pairwise([*words, "--"]) if a.startswith("--") and a not in hidden]
    shown = "".join(f" `{a} {b}`" if not b.startswith("--") else f" `{a}`" for a, b in pairs)
    return f"{row['figures']['method']}{shown}"


def avatars() -> str:
    """Render one line per method: means over the 12 routes."""
    lines = [
        "| method | steps, minutes | asked color, % | glasses kept, % | PSNR (doing nothing), dB |",
        "|---|---|---|---|---|",
    ]
    for f in (row["figures"] for row in {row["command"]: row for row in rows("avatars")}.values()):
        m = f["mean"]
        lines.append(
            f"| {f['method']} | {f['steps']}, {f['seconds'] / 60:.0f} | {m['color']:.1f} | {m['glasses']:.1f} | "
            f"{m['psnr']:.1f} ({m['psnr_baseline']:.1f}) |"
        )
    return "\n".join(lines)


def voices() -> str:
    """Render one line per trained converter, after the untrained baselines."""
    lines = [
        "| data | converter | steps, minutes | MCD, dB | GV distance, dB | modulation, dB | similarity | WER |",
        "|---|---|---|---|---|---|---|---|",
    ]
    kinds = (("mcd", 1), ("gv", 1), ("modulation", 1), ("similarity", 2), ("wer", 2))
    newest = {row["command"] + row["figures"]["method"]: row["figures"] for row in rows("voices")}
    done: set[tuple[str, bool]] = set()
    for f in newest.values():
        ways = list(f["routes"].values())
        data = f"{f['data']}, {ways[0]['converted']['outputs']} sentences"
        judged = ways[0]["converted"].get("similarity") is not None
        systems = {name: "-" for name in ways[0] if name != "converted"} if (data, judged) not in done else {}
        done.add((data, judged))
        for name, time in (systems | {"converted": f"{f['steps']}, {f['seconds'] / 60:.0f}"}).items():
            cells = [format_both([way.get(name, {}) for way in ways], kind, n) for kind, n in kinds]
            lines.append(f"| {data} | {f['method'] if name == 'converted' else name} | {time} | {' | '.join(cells)} |")
    return "\n".join(lines)


def format_both(routes: list[dict[str, Any]], name: str, digits: int) -> str:
    """Format a figure of each route; for more than two routes, the mean, minimum and maximum."""
    if len(routes) > 2:
        known = [route[name] for route in routes if route.get(name) is not None]
        if not known:
            return "-"
        return f"{sum(known) / len(known):.{digits}f} ({min(known):.{digits}f} to {max(known):.{digits}f})"
    return " / ".join(f"{route[name]:.{digits}f}" if route.get(name) is not None else "-" for route in routes)


def depth_of(row: Row) -> int:
    """Return the depth in a row's command; 6 is the default."""
    words = row["command"].split()
    return int(words[words.index("--depth") + 1]) if "--depth" in words else 6


RACE_BUDGETS = {(64, steps) for steps in (0, 1550, 1070, 775, 535)}
"""Pictures' side and steps per training of the race's table; 0 steps: five minutes, or a baseline."""


def race() -> str:
    """Return the table of `benchmarks.race` at 64 px and the budgets RACE_BUDGETS.

    Of trainings that differ in the budget alone, the newest counts.
    """
    newest: dict[tuple[str, str, int], dict[str, Any]] = {}
    for cell, figures in read_figures(FILE).items():
        if (cell.size, cell.step_budget) in RACE_BUDGETS:
            newest[cell.task, cell.side, cell.seed] = figures
    return format_table([*newest.values()])


TABLES: dict[str, Callable[[], str]] = {
    "methods": methods,
    "quality": quality,
    "step": step,
    "depth": depth,
    "stages": stages,
    "comparison": comparison,
    "digits": digits,
    "avatars": avatars,
    "voices": voices,
    "race": race,
    "recipe_trials": search_table.trials,
    "recipe_search": search_table.results,
}


def main(words: list[str]) -> int:
    """Rewrite the tables between their markers."""
    stale = 0
    for page in PAGES:
        text = before = page.read_text(encoding="utf-8")
        for name, table in (TABLES | {"compared": partial(comparison, page.stem)}).items():
            head, tail = f"<!-- {name} -->\n", f"<!-- /{name} -->"
            if head in text:
                before_table, _, rest = text.partition(head)
                text = f"{before_table}{head}{table()}\n{tail}{rest.partition(tail)[2]}"
        stale += text != before
        if "--check" not in words:
            page.write_text(text, encoding="utf-8")
    return int(stale > 0) if "--check" in words else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
