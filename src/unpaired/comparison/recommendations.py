"""What to take from a comparison, in sentences: for each direction, over all, and what failed."""

from __future__ import annotations

from collections.abc import Mapping

from unpaired.comparison import ranking
from unpaired.comparison.advice import Advisor, join_names
from unpaired.comparison.ranking import RankedMethod
from unpaired.comparison.result import Comparison
from unpaired.console import format_duration
from unpaired.evaluation.audit_results import SOME_HIDDEN
from unpaired.metrics.significance import MIN_STANDARD_ERRORS
from unpaired.report.templating import format_route

MAX_PARAGRAPHS = 2
"""Directions that get a paragraph each; of more, there is only the advice over all."""
NONE = "none"
FAIRNESS_RULES = (
    "Standard errors are of the items measured on. Each method was trained once: another seed may move a method by "
    "more than that. Before a choice that matters, repeat with another --seed (and --out), or with a larger budget.",
    "Data, split, budget and shared settings are equal for all; each method's own settings are its paper's with the "
    "preset's changes, and were tuned for none of them here.",
)


def recommend(comparison: Comparison) -> list[tuple[str, str]]:
    """Return paragraphs with their heads: for each direction, and over all."""
    if not comparison.finished:
        return [("Nothing to compare yet", "no method has been trained and measured to its end.")]
    if not comparison.directions:
        return [("Not measured", f"no items were held out (too few files); {comparison.get_medium().judge_yourself}.")]
    advisor = comparison.get_medium().create_advisor(comparison)
    paragraphs = [(format_route(d), advisor.describe_direction(d)) for d in comparison.directions]
    overall = (
        f"{_summarize_directions(comparison, advisor)}{_describe_hidden(comparison)}"
        f"{_describe_unfinished_training(comparison)}"
    )
    return [*(paragraphs if len(paragraphs) <= MAX_PARAGRAPHS else []), ("Over all", overall)]


def list_rules(comparison: Comparison) -> list[str]:
    """Say how methods were ranked and what is equal for all."""
    return [*comparison.get_medium().create_advisor(comparison).rules, *FAIRNESS_RULES]


def describe_setup(comparison: Comparison) -> str:
    """Say what was compared on what."""
    items = " and ".join(f"{n:,} of {d}" for n, d in zip(comparison.train_counts, comparison.domains, strict=True))
    seconds = sum(r.seconds for r in comparison.results)
    return (
        f"{len(comparison.results)} methods, each trained for {comparison.budget} on {items}, unpaired, "
        f"{comparison.item_size} in batches of {comparison.batch_sizes}, preset {comparison.preset}, seed "
        f"{comparison.seed}, on {comparison.device}; {format_duration(seconds)} of steps in all."
    )


def _summarize_directions(comparison: Comparison, advisor: Advisor) -> str:
    """Advise one method for all directions, or one for each."""
    choices: dict[str, RankedMethod | None] = {d: advisor.choose(advisor.rank(d)) for d in comparison.directions}
    names = {d: m.method if m is not None else None for d, m in choices.items()}
    chosen = [name for name in dict.fromkeys(names.values()) if name is not None]
    metric = advisor.metric
    if not chosen and not any(route.value(metric) is not None for route in comparison.get_routes()):
        text = f"{comparison.get_medium().judge_yourself}: there is nothing to choose by."
    elif not chosen:
        text = "no method is worth taking in any direction by these figures."
    elif len(names) > 1 and len(set(names.values())) == 1:
        text = f"{chosen[0]} is the one to take in every direction."
    else:
        text = f"by direction: {'; '.join(f'{format_route(d)} {name or NONE}' for d, name in names.items())}."
    overall = ranking.rank_overall(comparison.results, comparison.directions, metric)
    order = [m for m in overall if m.value is not None]
    if len(names) > 1 and order:
        best = order[0]
        tied = [m.method for m in order[1:] if ranking.is_tied(best, m, metric)]
        tied_text = f"; {join_names(tied)} within the error" if tied else ""
        text += (
            f" Of the methods that go every way, {best.method} has the best mean {metric.short} "
            f"({best.value:.3g}{tied_text})."
        )
    return f"{text}{_describe_costs(comparison, chosen)}"


def _describe_costs(comparison: Comparison, names: list[str]) -> str:
    """Say what the recommended methods cost."""
    costs = [
        f"{r.method} {r.parameters:,} parameters, {1000 * r.translate_s:.0f} ms an item"
        for r in comparison.results
        if r.method in names and r.translate_s is not None
    ]
    return f" To translate: {'; '.join(costs)} (on {comparison.device})." if costs else ""


def _describe_hidden(comparison: Comparison) -> str:
    """Say which methods hide their inputs in imperceptible signal."""
    hidden_by_method = {
        r.method: max(r.hidden.values(), key=lambda h: h.fraction).fraction
        for r in comparison.results
        if any(h.fraction >= SOME_HIDDEN and h.fraction > MIN_STANDARD_ERRORS * h.error for h in r.hidden.values())
    }
    if not hidden_by_method:
        return ""
    hidden = "; ".join(f"{name} {fraction:.0%} of the input" for name, fraction in hidden_by_method.items())
    return (
        f" Hidden in imperceptible signal: {hidden}. A small reconstruction error of these says little about what is "
        "visible in their translations."
    )


def _describe_unfinished_training(comparison: Comparison) -> str:
    """Say which methods still improved when the budget ended."""
    improving = [r.method for r in comparison.finished if r.is_still_improving]
    if not improving:
        return ""
    verb = "was" if len(improving) == 1 else "were"
    return f" {join_names(improving)} {verb} still improving at the end: with a larger budget the order may change."


def list_notices(comparison: Comparison) -> list[str]:
    """List what failed, what is not finished, and what was left out, each with its reason."""
    failed = [f"{r.method} {r.state}: {r.reason}" for r in comparison.results if r.state in ("failed", "diverged")]
    waiting = [r.method for r in comparison.results if r.state == "waiting"]
    unfinished = [f"Not finished: {join_names(waiting)}. Run the same command to continue."] if waiting else []
    return [*failed, *unfinished, *list_excluded(comparison.excluded)]


def list_excluded(reasons: Mapping[str, str]) -> list[str]:
    """List methods that do not fit the data, those of one reason together; errors begin with the method's name."""
    names: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        names.setdefault(reason.removeprefix(f"{name} ").partition(". ")[0], []).append(name)
    return [f"Left out: {join_names(method_names)}: {why}." for why, method_names in names.items()]
