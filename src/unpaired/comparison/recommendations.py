"""Conclusions of a comparison in sentences: recommendations, rules, and notices of failures."""

from __future__ import annotations

from collections.abc import Mapping

from unpaired.comparison import ranking
from unpaired.comparison.advice import Advisor, join_names
from unpaired.comparison.ranking import RankedMethod
from unpaired.comparison.result import Comparison
from unpaired.comparison.seeds import format_seeds
from unpaired.console import format_duration
from unpaired.evaluation.audit_results import SOME_HIDDEN
from unpaired.metrics.few_items import describe_few_items
from unpaired.metrics.significance import MIN_STANDARD_ERRORS
from unpaired.report.templating import format_route

MAX_PARAGRAPHS = 2
"""Maximum number of directions that get one paragraph each; for more, only the overall recommendation is shown."""
NONE = "none"
ONE_SEED_RULE = (
    "Standard errors are over the measured items. Each method was trained once: with another seed, results can change "
    "by more than the standard error. Before an important decision, train with several seeds (--seeds 0,1,2), or with "
    "a larger budget."
)
SEEDS_RULE = (
    "Values are means over the seeds, ± their standard deviation. A difference counts only if it also exceeds the "
    "combined standard deviation, the root of the sum of the squares. The standard deviation of a few seeds is itself "
    "inaccurate."
)
FAIRNESS_RULE = (
    "Data, splits, seeds and budget are equal for all methods. The preset may give a method its own networks and batch "
    "size; with --steps, a method with a larger batch sees more items. Each method's own settings are those of its "
    "paper with the changes of the preset; they were not tuned for these data."
)


def recommend(comparison: Comparison) -> list[tuple[str, str]]:
    """Return headings with paragraphs: one per direction, and one overall."""
    if not comparison.finished:
        return [("Nothing to compare yet", "no method has been trained and measured completely.")]
    if not comparison.directions:
        return [("Not measured", f"no items are held out (too few files); {comparison.get_medium().judge_yourself}.")]
    advisor = comparison.get_medium().create_advisor(comparison)
    paragraphs = [(format_route(d), advisor.describe_direction(d)) for d in comparison.directions]
    overall = (
        f"{_summarize_directions(comparison, advisor)}{_describe_hidden(comparison)}"
        f"{_describe_unfinished_training(comparison)}"
    )
    return [*(paragraphs if len(paragraphs) <= MAX_PARAGRAPHS else []), ("Overall", overall)]


def list_rules(comparison: Comparison) -> list[str]:
    """List the rules of the ranking and the conditions of the comparison."""
    rules = comparison.get_medium().create_advisor(comparison).rules
    return [*rules, SEEDS_RULE if comparison.has_spread else ONE_SEED_RULE, FAIRNESS_RULE]


def describe_uncertainty(comparison: Comparison) -> str:
    """Explain the number after ± in the tables."""
    if comparison.has_spread:
        return "±: standard deviation over the seeds."
    return "±: standard error over the measured items."


def describe_setup(comparison: Comparison) -> str:
    """Describe the methods, the budget and the data."""
    items = " and ".join(f"{n:,} of {d}" for n, d in zip(comparison.train_counts, comparison.domains, strict=True))
    seconds = sum(seed.seconds for r in comparison.results for seed in r.seeds)
    return (
        f"{len(comparison.results)} methods, each trained for {comparison.budget} on {items}, unpaired, "
        f"{comparison.item_size} in batches of {comparison.batch_sizes}, preset {comparison.preset}, "
        f"{format_seeds(comparison.seeds)}, on {comparison.device}; {format_duration(seconds)} of training steps in "
        "total."
    )


def _summarize_directions(comparison: Comparison, advisor: Advisor) -> str:
    """Recommend one method for all directions, or one per direction."""
    choices: dict[str, RankedMethod | None] = {d: advisor.choose(advisor.rank(d)) for d in comparison.directions}
    names = {d: m.method if m is not None else None for d, m in choices.items()}
    chosen = [name for name in dict.fromkeys(names.values()) if name is not None]
    metric = advisor.metric
    if not chosen and not any(route.value(metric) is not None for route in comparison.get_routes()):
        text = f"{comparison.get_medium().judge_yourself}: there is no metric to choose by."
    elif not chosen:
        text = "no method is recommended in any direction: none beats the baselines."
    elif len(names) > 1 and len(set(names.values())) == 1:
        text = f"take {chosen[0]} in every direction."
    else:
        text = f"by direction: {'; '.join(f'{format_route(d)} {name or NONE}' for d, name in names.items())}."
    overall = ranking.rank_overall(comparison.results, comparison.directions, advisor.judges)
    order = [m for m in overall if m.value is not None]
    if len(names) > 1 and order:
        best = order[0]
        tied = [m.method for m in order[1:] if ranking.is_tied(best, m, metric)]
        tied_text = f"; {join_names(tied)} within the error" if tied else ""
        text += (
            f" Of the methods that support every direction, {best.method} has the best mean {metric.short} "
            f"({metric.format(best.value)}{_format_others(best)}{tied_text})."
        )
    return f"{text}{_describe_costs(comparison, chosen)}"


def _format_others(method: RankedMethod) -> str:
    """Format the values of the further judges of a method."""
    return "".join(f", {s.metric.short} {s.metric.format(s.value)}" for s in method.others if s.value is not None)


def _describe_costs(comparison: Comparison, names: list[str]) -> str:
    """Describe the cost of the recommended methods."""
    costs = [
        f"{r.method} {r.parameters:,} parameters, {1000 * r.translate_s:.0f} ms per item"
        for r in comparison.results
        if r.method in names and r.translate_s is not None
    ]
    return f" To translate: {'; '.join(costs)} (on {comparison.device})." if costs else ""


def _describe_hidden(comparison: Comparison) -> str:
    """List the methods that hide their inputs in imperceptible signal."""
    hidden_by_method = {
        r.method: max(r.hidden.values(), key=lambda h: h.fraction).fraction
        for r in comparison.results
        if any(h.fraction >= SOME_HIDDEN and h.fraction > MIN_STANDARD_ERRORS * h.error for h in r.hidden.values())
    }
    if not hidden_by_method:
        return ""
    hidden = "; ".join(f"{name} {fraction:.0%} of the input" for name, fraction in hidden_by_method.items())
    return (
        f" Hidden in imperceptible signal: {hidden}. A small reconstruction error of these methods does not show "
        "that the content is visible in their translations."
    )


def _describe_unfinished_training(comparison: Comparison) -> str:
    """List the methods that still improved at the end of the budget."""
    improving = [r.method for r in comparison.finished if r.is_still_improving]
    if not improving:
        return ""
    verb = "was" if len(improving) == 1 else "were"
    return f" {join_names(improving)} {verb} still improving at the end: the ranking may change with a larger budget."


def list_notices(comparison: Comparison) -> list[str]:
    """List the failed, unfinished and excluded methods with their reasons, and a warning if few items were measured."""
    runs = [(s.format_label(r.method, len(r.seeds)), s) for r in comparison.results for s in r.seeds]
    failed = [f"{name} {run.state}: {run.reason}" for name, run in runs if run.has_failed]
    waiting = [name for name, run in runs if run.state == "waiting"]
    unfinished = [f"Not finished: {join_names(waiting)}. Run the same command to continue."] if waiting else []
    few = describe_few_items(comparison.get_routes())
    return [*failed, *unfinished, *([few] if few else []), *list_excluded(comparison.excluded)]


def list_excluded(reasons: Mapping[str, str]) -> list[str]:
    """List the excluded methods, grouped by reason; a reason may start with the name of the method."""
    names: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        names.setdefault(reason.removeprefix(f"{name} ").partition(". ")[0], []).append(name)
    return [f"Excluded: {join_names(method_names)}: {why}." for why, method_names in names.items()]
