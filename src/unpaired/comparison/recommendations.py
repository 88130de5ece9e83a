"""Which method to take and why, in sentences that the figures bear out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from unpaired.comparison import ranking
from unpaired.comparison.ranking import MIN_CONTENT_DIFFERENCE, MIN_RELATED_SIMILARITY, RankedMethod, content_kept
from unpaired.comparison.result import Comparison
from unpaired.console import format_duration
from unpaired.evaluation.audit_results import SOME_HIDDEN
from unpaired.media.image.measurement import RouteMeasures
from unpaired.metrics.features import INSTALL_HINT
from unpaired.metrics.significance import (
    MIN_STANDARD_ERRORS,
    MIN_TRUTH_GAIN,
    beats_identity,
    finite_or_none,
    is_nearer_to_truth,
    significantly_lower,
)
from unpaired.report.run_text import format_route

MAX_PARAGRAPHS = 2
"""Directions that get a paragraph each; of more, only what they have in common is told."""
NONE = "none"
RULES = (
    "Ranked by KID to the target's real items, lower is better; methods share a rank where their KIDs differ by less "
    "than twice the standard error of the difference. Advised is, of those that beat doing nothing and that KID "
    "cannot tell from the best, the one that keeps most of the input; where the truth is known, the one nearest to it.",
    "The error is that of the items measured on. Each method was trained once: another seed may move a method by more "
    "than that. Before a choice that matters, repeat with another --seed (and --out), or with a larger budget.",
    "Equal are the data, their split, the budget and the settings that all have; each method's own settings are its "
    "paper's with the preset's changes, and were tuned for none of them here.",
)


def recommend(comparison: Comparison) -> list[tuple[str, str]]:
    """Paragraphs with their heads: for each direction, and in all."""
    finished = [r for r in comparison.results if r.state == "done"]
    if not finished:
        return [("Nothing to compare yet", "no method has been trained and measured to its end.")]
    if not comparison.directions:
        return [("Not measured", "no items were held back, too few files for that: judge by the pictures.")]
    choices = {d: choose_method(ranking.rank_direction(finished, d)) for d in comparison.directions}
    paragraphs = [
        (format_route(d), describe_direction(ranking.rank_direction(finished, d)))
        for d in comparison.directions[:MAX_PARAGRAPHS]
    ]
    if len(comparison.directions) > MAX_PARAGRAPHS:
        paragraphs = []
    return [
        *paragraphs,
        (
            "In all",
            f"{summarize_directions(comparison, choices)}{describe_hidden(comparison)}{describe_unfinished_training(comparison)}",
        ),
    ]


def describe_direction(ranked_methods: Sequence[RankedMethod]) -> str:
    """What to take in one direction, and why."""
    if all(s.kid is None for s in ranked_methods):
        return describe_without_kid(ranked_methods)
    chosen = choose_method(ranked_methods)
    if chosen is None or chosen.measures is None:
        return explain_no_gain(ranked_methods)
    parts = [f"take {chosen.method}: {format_measures(chosen)}."]
    parts += filter(
        None,
        (
            describe_best(chosen, ranked_methods),
            describe_truth(chosen, ranked_methods),
            describe_content(chosen, ranked_methods),
        ),
    )
    return " ".join(parts)


def choose_method(ranked_methods: Sequence[RankedMethod]) -> RankedMethod | None:
    """The method to take in a direction; None where none is worth it."""
    improving = [s for s in ranked_methods if s.measures is not None and beats_identity(s.measures)]
    nearer = [s for s in ranked_methods if s.measures is not None and is_nearer_to_truth(s.measures)]
    if nearer:
        return min(nearer, key=lambda s: (s.measures.l1 if s.measures else None) or 0.0)
    if not improving:
        return None
    first = improving[0]
    return max((s for s in improving if is_tied(first, s)), key=lambda s: get_content_kept(s) or 0.0)


def is_tied(best: RankedMethod, other: RankedMethod) -> bool:
    """Whether KID cannot tell the two apart."""
    return (
        best.kid is not None
        and other.kid is not None
        and not significantly_lower(best.kid, other.kid, best.error, other.error)
    )


def get_content_kept(s: RankedMethod) -> float | None:
    """The content that a method keeps in this direction."""
    return content_kept(s.measures) if s.measures is not None else None


def format_measures(s: RankedMethod) -> str:
    """KID beside what it would be without translating, the content kept, and the distance to the truth."""
    m = s.measures
    if m is None:
        return ""
    parts = [format_kid(m)] if m.kid is not None else []
    parts += [f"content kept {k:.2f}"] if (k := content_kept(m)) is not None else []
    if m.l1 is not None and m.l1_baseline is not None:
        parts.append(f"L1 to the truth {m.l1:.3f} (doing nothing {m.l1_baseline:.3f})")
    return ", ".join(parts)


def format_kid(m: RouteMeasures) -> str:
    """KID with its error and baselines."""
    error = f" ± {m.kid_error:.3g}" if finite_or_none(m.kid_error) is not None else ""
    baseline_values = {"doing nothing": m.kid_baseline, "real to real": m.kid_real}
    baselines = ", ".join(f"{name} {value:.3g}" for name, value in baseline_values.items() if value is not None)
    return f"KID {m.kid:.3g}{error}" + (f" ({baselines})" if baselines else "")


def describe_best(chosen: RankedMethod, ranked_methods: Sequence[RankedMethod]) -> str:
    """How the method taken stands to the best by KID, and who else is within the error."""
    best = ranked_methods[0]
    if not is_tied(best, chosen):
        return (
            f"By KID {best.method} is nearer to the target ({format_measures(best)}): a trade-off of looks against truth. L1 "
            "forgives blur, so look at the pictures of both."
        )
    others = [s.method for s in ranked_methods if s.method != chosen.method and is_tied(best, s)]
    if not others:
        return "No other comes within the error of its KID."
    verb = "is" if len(others) == 1 else "are"
    return f"{join_names(others)} {verb} within the error of KID, which does not tell them apart."


def describe_truth(chosen: RankedMethod, ranked_methods: Sequence[RankedMethod]) -> str:
    """What the true pairs say beside KID."""
    with_truth = [s for s in ranked_methods if s.measures is not None and s.measures.l1 is not None]
    if not with_truth or chosen.measures is None or chosen.measures.l1 is None:
        return ""
    if not is_nearer_to_truth(chosen.measures):
        return "None is notably nearer to the true translations than the input is, whatever KID says."
    beats_input = chosen.measures.kid is None or beats_identity(chosen.measures)
    caveat = "" if beats_input else ", though by KID it gains nothing over the input beyond the error"
    limit = chosen.measures.l1 * (1 + MIN_TRUTH_GAIN)
    tied = [
        s.method for s in with_truth if s.method != chosen.method and s.measures and (s.measures.l1 or limit) < limit
    ]
    tied_text = (
        f"; {join_names(tied)} {'is' if len(tied) == 1 else 'are'} as near within {MIN_TRUTH_GAIN:.0%}" if tied else ""
    )
    return f"{chosen.method} is the nearest to the true translations{caveat}{tied_text}."


def describe_content(chosen: RankedMethod, ranked_methods: Sequence[RankedMethod]) -> str:
    """Who keeps more of the input than the method taken, at which KID; and whether anything is kept at all."""
    chosen_content = get_content_kept(chosen)
    if chosen_content is None or chosen.measures is None:
        return ""
    parts = []
    features = chosen.measures.feature_similarity
    if features is not None and features < MIN_RELATED_SIMILARITY:
        parts.append(
            f"By features its translations have little to do with their inputs ({features:.2f}): look whether they "
            "correspond at all."
        )
    better = [
        s
        for s in ranked_methods
        if s.measures is not None
        and beats_identity(s.measures)
        and (get_content_kept(s) or 0.0) >= chosen_content + MIN_CONTENT_DIFFERENCE
    ]
    if better:
        most = max(better, key=lambda s: get_content_kept(s) or 0.0)
        parts.append(
            f"A trade-off: {most.method} keeps more of the input ({format_measures(most)}). Take it where content matters "
            "more than likeness to the target."
        )
    return " ".join(parts)


def explain_no_gain(ranked_methods: Sequence[RankedMethod]) -> str:
    """What to say where no method beats doing nothing."""
    best = ranked_methods[0]
    m = best.measures
    if m is None:
        return "nothing was measured."
    if m.kid_error is None:
        return (
            f"{m.sources} and {m.targets} held-back items are too few to tell anything by KID; judge by the pictures."
        )
    if m.kid_baseline is not None and m.kid_real is not None and m.kid_baseline <= m.kid_real:
        return (
            f"take none by these figures: untranslated pictures cannot be told from real ones by KID "
            f"({format_kid(m)}), so KID has nothing to rank by here. Judge by the pictures, or by true pairs (--pairs)."
        )
    return (
        f"take none yet: nothing beats doing nothing by more than the error of KID (best: {best.method}, "
        f"{format_measures(best)}). Train longer, or look whether the two collections differ in what you mean them to."
    )


def describe_without_kid(ranked_methods: Sequence[RankedMethod]) -> str:
    """What to say without KID."""
    chosen = choose_method(ranked_methods)
    reason = (
        INSTALL_HINT
        if not any(s.measures and s.measures.features for s in ranked_methods)
        else "too few items are held back"
    )
    if chosen is None:
        return f"no KID was measured ({reason}), so there is no ranking: judge by the pictures."
    return f"take {chosen.method}, the nearest to the true translations: {format_measures(chosen)}. No KID was measured ({reason})."


def summarize_directions(comparison: Comparison, choices: dict[str, RankedMethod | None]) -> str:
    """One method for all directions, or which for which."""
    chosen_names = {d: s.method if s is not None else None for d, s in choices.items()}
    distinct_names = set(chosen_names.values())
    order = [s for s in ranking.rank_overall(comparison.results, comparison.directions) if s.kid is not None]
    if len(chosen_names) > 1 and len(distinct_names) == 1 and None not in distinct_names:
        text = f"{next(iter(distinct_names))} is the one to take in every direction."
    elif distinct_names == {None} and not any(m.kid is not None for r in comparison.results for m in r.routes):
        text = "judge by the pictures: there is nothing to choose by."
    elif distinct_names == {None}:
        text = "no method is worth taking in any direction by these figures."
    else:
        text = f"by direction: {'; '.join(f'{format_route(d)} {name or NONE}' for d, name in chosen_names.items())}."
    if len(chosen_names) > 1 and order:
        best = order[0]
        tied = [s.method for s in order[1:] if is_tied(best, s)]
        tied_text = f", {join_names(tied)} within its error" if tied else ""
        text += f" Of the methods that go every way, {best.method} has the lowest mean KID ({best.kid:.3g}{tied_text})."
    return f"{text}{describe_costs(comparison, [n for n in dict.fromkeys(chosen_names.values()) if n is not None])}"


def describe_costs(comparison: Comparison, names: Sequence[str]) -> str:
    """What the methods advised cost."""
    cost_texts = [
        f"{r.method} {r.parameters:,} parameters, {1000 * r.translate_s:.0f} ms an item"
        for r in comparison.results
        if r.method in names and r.translate_s is not None
    ]
    return f" To translate: {'; '.join(cost_texts)} (on {comparison.device})." if cost_texts else ""


def describe_hidden(comparison: Comparison) -> str:
    """Who tells of the input in signal that eyes do not see."""
    hidden_by_method = {
        r.method: max(r.hidden.values(), key=lambda h: h.fraction).fraction
        for r in comparison.results
        if any(h.fraction >= SOME_HIDDEN and h.fraction > MIN_STANDARD_ERRORS * h.error for h in r.hidden.values())
    }
    if not hidden_by_method:
        return ""
    hidden_text = "; ".join(f"{name} {share:.0%} of the input" for name, share in hidden_by_method.items())
    return (
        f" Hidden in signal that eyes do not see: {hidden_text}. So what can be read back from a translation, as a small cycle "
        "error, says little of what is seen in it."
    )


def describe_unfinished_training(comparison: Comparison) -> str:
    """Who was still getting better when the budget ended."""
    improving = [r.method for r in comparison.results if r.state == "done" and r.is_still_improving]
    if not improving:
        return ""
    verb = "was" if len(improving) == 1 else "were"
    return (
        f" {join_names(improving)} {verb} still getting better at the end: with a larger budget the order may change."
    )


def list_notices(comparison: Comparison) -> list[str]:
    """What failed, what is not finished, and what was left out, each with its reason."""
    failed = [f"{r.method} {r.state}: {r.reason}" for r in comparison.results if r.state in ("failed", "diverged")]
    waiting = [r.method for r in comparison.results if r.state == "waiting"]
    unfinished = [f"Not finished: {join_names(waiting)}. The same command goes on."] if waiting else []
    return [*failed, *unfinished, *list_excluded(comparison.excluded)]


def list_excluded(reasons: Mapping[str, str]) -> list[str]:
    """Methods that do not fit the data, those of one reason together; errors begin with the method's name."""
    names: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        names.setdefault(reason.removeprefix(f"{name} ").partition(". ")[0], []).append(name)
    return [f"Left out: {join_names(method_names)}: {why}." for why, method_names in names.items()]


def describe_setup(comparison: Comparison) -> str:
    """What was compared on what."""
    items = " and ".join(f"{n:,} of {d}" for n, d in zip(comparison.train_counts, comparison.domains, strict=True))
    seconds = sum(r.seconds for r in comparison.results)
    return (
        f"{len(comparison.results)} methods, each trained for {comparison.budget} on {items}, unpaired, at "
        f"{comparison.size} px in batches of {comparison.batch_sizes}, preset {comparison.preset}, seed {comparison.seed}, "
        f"on {comparison.device}; {format_duration(seconds)} of steps in all."
    )


def join_names(names: Sequence[str]) -> str:
    """Names as a person lists them."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
