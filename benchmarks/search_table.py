"""Tables of the search for the recipe of `small` (rows "recipe_search" of results.jsonl), for docs/results.md."""

from __future__ import annotations

from typing import Any

from benchmarks.results import rows

CURRENT_NAMES = {
    "--average": "--ema-decay",
    "--rate": "--lr",
    "--critic-rate": "--lr-d",
    "--identity-until": "--identity-end",
    "--critic": "--discriminator",
    "--critic-layers": "--discriminator-layers",
    "--critic-width": "--discriminator-width",
}
"""Flags as the rows have them -> their names today."""
COMMON_FLAGS = "--preset paper --width 32 --size 64"
FAR_TASKS = ("mri", "negative")
"""Tasks whose domains' intensities are so far apart that `--identity-weight auto` is 0."""
Figures = dict[str, Any]


def trials() -> str:
    """Return the flags of every trial, beside `COMMON_FLAGS`."""
    flags = {f["trial"]: format_flags(f["flags"]) for f in read_trials()}
    lines = [f"| {name} | `{text}` |" for name, text in sorted(flags.items())]
    return "\n".join(["| trial | flags |", "|---|---|", *lines])


def results() -> str:
    """Return the figures of every trial in both directions, and of doing nothing and the linear color transfer."""
    lines = [
        "| task | trial | minutes, steps | there: L1 / SSIM / KID | change | back: L1 / SSIM / KID | change |",
        "|" + "---|" * 7,
    ]
    found = [row["figures"] for row in rows("recipe_search")]
    for task in dict.fromkeys(f["task"] for f in found):
        own = [f for f in found if f["task"] == task]
        adopted = "h3-noid" if task in FAR_TASKS else "h2"
        routes = [own[0]["routes"][route] for route in own[0]["routes"]]
        lines.append(
            f"| {task} | doing nothing | - | {format_route(routes[0], True)} | {format_route(routes[1], True)} |"
        )
        for f in sorted(own, key=lambda f: f["trial"] != "linear"):
            budget = "-" if f["trial"] == "linear" else f"{f['minutes']:g}, {f['steps']}"
            name = {"linear": "linear color transfer"}.get(f["trial"], f["trial"])
            there, back = (format_route(route) for route in f["routes"].values())
            lines.append(
                f"| {task} | {f'**{name}**' if f['trial'] == adopted else name} | {budget} | {there} | {back} |"
            )
    return "\n".join(lines)


def read_trials() -> list[Figures]:
    """Return the figures of all trainings, without the linear color transfer."""
    return [row["figures"] for row in rows("recipe_search") if row["figures"]["trial"] != "linear"]


def format_flags(flags: str) -> str:
    """Return the flags by their names of today, without those that all trials have."""
    given, common = split_flags(flags), split_flags(COMMON_FLAGS)
    if given.get("--skips") == "":
        given["--skips"] = "normed"  # the first trials had a switch
    return " ".join(
        f"{CURRENT_NAMES.get(name, name)} {value}".strip() for name, value in given.items() if common.get(name) != value
    )


def split_flags(text: str) -> dict[str, str]:
    """Split a command line into flags and their values; a switch has an empty value."""
    flags: dict[str, str] = {}
    for word in text.split():
        if word.startswith("--"):
            flags[word] = ""
        else:
            flags[next(reversed(flags))] = word
    return flags


def format_route(figures: dict[str, float], is_baseline: bool = False) -> str:
    """Return the cells of one direction: L1, SSIM and KID, and the change of the input."""
    suffix = "_baseline" if is_baseline else ""
    kid = figures.get(f"kid{suffix}")
    kid_text = "-" if kid is None else f"{kid:.0f}"
    change = 0.0 if is_baseline else figures["change"]
    return f"{figures[f'l1{suffix}']:.3f} / {figures[f'ssim{suffix}']:.3f} / {kid_text} | {change:.3f}"
