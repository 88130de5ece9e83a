"""Which method to take and why, in sentences that the figures bear out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from unpaired.comparison import ranking
from unpaired.comparison.ranking import NOTABLE_KEPT, UNRELATED, Standing, kept
from unpaired.comparison.result import Comparison
from unpaired.evaluation.audited import SOME
from unpaired.evaluation.features import INSTALL
from unpaired.evaluation.measure import RouteMeasures
from unpaired.evaluation.standing import NOTABLE_TRUTH, SURE, apart, beats_nothing, finite, nearer_to_truth
from unpaired.report.words import arrow
from unpaired.terminal import duration

MOST_TOLD = 2
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


def advice(comparison: Comparison) -> list[tuple[str, str]]:
    """Paragraphs with their heads: for each direction, and in all."""
    done = [r for r in comparison.results if r.state == "done"]
    if not done:
        return [("Nothing to compare yet", "no method has been trained and measured to its end.")]
    if not comparison.directions:
        return [("Not measured", "no items were held back, too few files for that: judge by the pictures.")]
    choices = {d: choice(ranking.in_direction(done, d)) for d in comparison.directions}
    told = [(arrow(d), in_words(ranking.in_direction(done, d))) for d in comparison.directions[:MOST_TOLD]]
    if len(comparison.directions) > MOST_TOLD:
        told = []
    return [*told, ("In all", f"{in_all(comparison, choices)}{hiding(comparison)}{unsettled(comparison)}")]


def in_words(standings: Sequence[Standing]) -> str:
    """What to take in one direction, and why."""
    if all(s.kid is None for s in standings):
        return without_kid(standings)
    taken = choice(standings)
    if taken is None or taken.measures is None:
        return nothing_gained(standings)
    parts = [f"take {taken.method}: {figures(taken)}."]
    parts += filter(None, (against_best(taken, standings), truth(taken, standings), content(taken, standings)))
    return " ".join(parts)


def choice(standings: Sequence[Standing]) -> Standing | None:
    """The method to take in a direction; None where none is worth it."""
    gains = [s for s in standings if s.measures is not None and beats_nothing(s.measures)]
    true = [s for s in standings if s.measures is not None and nearer_to_truth(s.measures)]
    if true:
        return min(true, key=lambda s: (s.measures.l1 if s.measures else None) or 0.0)
    if not gains:
        return None
    first = gains[0]
    return max((s for s in gains if alike(first, s)), key=lambda s: content_of(s) or 0.0)


def alike(best: Standing, other: Standing) -> bool:
    """Whether KID cannot tell the two apart."""
    return best.kid is not None and other.kid is not None and not apart(best.kid, other.kid, best.error, other.error)


def content_of(s: Standing) -> float | None:
    """The content that a method keeps in this direction."""
    return kept(s.measures) if s.measures is not None else None


def figures(s: Standing) -> str:
    """KID beside what it would be without translating, the content kept, and the distance to the truth."""
    m = s.measures
    if m is None:
        return ""
    parts = [kid_words(m)] if m.kid is not None else []
    parts += [f"content kept {k:.2f}"] if (k := kept(m)) is not None else []
    if m.l1 is not None and m.l1_nothing is not None:
        parts.append(f"L1 to the truth {m.l1:.3f} (doing nothing {m.l1_nothing:.3f})")
    return ", ".join(parts)


def kid_words(m: RouteMeasures) -> str:
    """KID with its error and baselines."""
    error = f" ± {m.kid_error:.3g}" if finite(m.kid_error) is not None else ""
    known = {"doing nothing": m.kid_nothing, "real to real": m.kid_real}
    baselines = ", ".join(f"{name} {value:.3g}" for name, value in known.items() if value is not None)
    return f"KID {m.kid:.3g}{error}" + (f" ({baselines})" if baselines else "")


def against_best(taken: Standing, standings: Sequence[Standing]) -> str:
    """How the method taken stands to the best by KID, and who else is within the error."""
    best = standings[0]
    if not alike(best, taken):
        return (
            f"By KID {best.method} is nearer to the target ({figures(best)}): a trade-off of looks against truth. L1 "
            "forgives blur, so look at the pictures of both."
        )
    others = [s.method for s in standings if s.method != taken.method and alike(best, s)]
    if not others:
        return "No other comes within the error of its KID."
    are = "is" if len(others) == 1 else "are"
    return f"{listed(others)} {are} within the error of KID, which does not tell them apart."


def truth(taken: Standing, standings: Sequence[Standing]) -> str:
    """What the true pairs say beside KID."""
    known = [s for s in standings if s.measures is not None and s.measures.l1 is not None]
    if not known or taken.measures is None or taken.measures.l1 is None:
        return ""
    if not nearer_to_truth(taken.measures):
        return "None is notably nearer to the true translations than the input is, whatever KID says."
    gains = taken.measures.kid is None or beats_nothing(taken.measures)
    but = "" if gains else ", though by KID it gains nothing over the input beyond the error"
    limit = taken.measures.l1 * (1 + NOTABLE_TRUTH)
    near = [s.method for s in known if s.method != taken.method and s.measures and (s.measures.l1 or limit) < limit]
    also = f"; {listed(near)} {'is' if len(near) == 1 else 'are'} as near within {NOTABLE_TRUTH:.0%}" if near else ""
    return f"{taken.method} is the nearest to the true translations{but}{also}."


def content(taken: Standing, standings: Sequence[Standing]) -> str:
    """Who keeps more of the input than the method taken, at which KID; and whether anything is kept at all."""
    own = content_of(taken)
    if own is None or taken.measures is None:
        return ""
    parts = []
    features = taken.measures.kept_features
    if features is not None and features < UNRELATED:
        parts.append(
            f"By features its translations have little to do with their inputs ({features:.2f}): look whether they "
            "correspond at all."
        )
    better = [
        s
        for s in standings
        if s.measures is not None and beats_nothing(s.measures) and (content_of(s) or 0.0) >= own + NOTABLE_KEPT
    ]
    if better:
        most = max(better, key=lambda s: content_of(s) or 0.0)
        parts.append(
            f"A trade-off: {most.method} keeps more of the input ({figures(most)}). Take it where content matters "
            "more than likeness to the target."
        )
    return " ".join(parts)


def nothing_gained(standings: Sequence[Standing]) -> str:
    """What to say where no method beats doing nothing."""
    best = standings[0]
    m = best.measures
    if m is None:
        return "nothing was measured."
    if m.kid_error is None:
        return (
            f"{m.sources} and {m.targets} held-back items are too few to tell anything by KID; judge by the pictures."
        )
    if m.kid_nothing is not None and m.kid_real is not None and m.kid_nothing <= m.kid_real:
        return (
            f"take none by these figures: untranslated pictures cannot be told from real ones by KID "
            f"({kid_words(m)}), so KID has nothing to rank by here. Judge by the pictures, or by true pairs (--pairs)."
        )
    return (
        f"take none yet: nothing beats doing nothing by more than the error of KID (best: {best.method}, "
        f"{figures(best)}). Train longer, or look whether the two collections differ in what you mean them to."
    )


def without_kid(standings: Sequence[Standing]) -> str:
    """What to say without KID."""
    taken = choice(standings)
    why = INSTALL if not any(s.measures and s.measures.features for s in standings) else "too few items are held back"
    if taken is None:
        return f"no KID was measured ({why}), so there is no ranking: judge by the pictures."
    return f"take {taken.method}, the nearest to the true translations: {figures(taken)}. No KID was measured ({why})."


def in_all(comparison: Comparison, choices: dict[str, Standing | None]) -> str:
    """One method for all directions, or which for which."""
    names = {d: s.method if s is not None else None for d, s in choices.items()}
    different = set(names.values())
    order = [s for s in ranking.overall(comparison.results, comparison.directions) if s.kid is not None]
    if len(names) > 1 and len(different) == 1 and None not in different:
        text = f"{next(iter(different))} is the one to take in every direction."
    elif different == {None} and not any(m.kid is not None for r in comparison.results for m in r.routes):
        text = "judge by the pictures: there is nothing to choose by."
    elif different == {None}:
        text = "no method is worth taking in any direction by these figures."
    else:
        text = f"by direction: {'; '.join(f'{arrow(d)} {name or NONE}' for d, name in names.items())}."
    if len(names) > 1 and order:
        best = order[0]
        tied = [s.method for s in order[1:] if alike(best, s)]
        also = f", {listed(tied)} within its error" if tied else ""
        text += f" Of the methods that go every way, {best.method} has the lowest mean KID ({best.kid:.3g}{also})."
    return f"{text}{costs(comparison, [n for n in dict.fromkeys(names.values()) if n is not None])}"


def costs(comparison: Comparison, names: Sequence[str]) -> str:
    """What the methods advised cost."""
    told = [
        f"{r.method} {r.parameters:,} parameters, {1000 * r.translate_s:.0f} ms an item"
        for r in comparison.results
        if r.method in names and r.translate_s is not None
    ]
    return f" To translate: {'; '.join(told)} (on {comparison.device})." if told else ""


def hiding(comparison: Comparison) -> str:
    """Who tells of the input in signal that eyes do not see."""
    found = {
        r.method: max(r.hidden.values(), key=lambda h: h.share).share
        for r in comparison.results
        if any(h.share >= SOME and h.share > SURE * h.error for h in r.hidden.values())
    }
    if not found:
        return ""
    who = "; ".join(f"{name} {share:.0%} of the input" for name, share in found.items())
    return (
        f" Hidden in signal that eyes do not see: {who}. So what can be read back from a translation, as a small cycle "
        "error, says little of what is seen in it."
    )


def unsettled(comparison: Comparison) -> str:
    """Who was still getting better when the budget ended."""
    gaining = [r.method for r in comparison.results if r.state == "done" and r.gains]
    if not gaining:
        return ""
    was = "was" if len(gaining) == 1 else "were"
    return f" {listed(gaining)} {was} still getting better at the end: with a larger budget the order may change."


def notices(comparison: Comparison) -> list[str]:
    """What failed, what is not finished, and what was left out, each with its reason."""
    failed = [f"{r.method} {r.state}: {r.reason}" for r in comparison.results if r.state in ("failed", "diverged")]
    waiting = [r.method for r in comparison.results if r.state == "waiting"]
    unfinished = [f"Not finished: {listed(waiting)}. The same command goes on."] if waiting else []
    return [*failed, *unfinished, *left_out(comparison.left_out)]


def left_out(reasons: Mapping[str, str]) -> list[str]:
    """Methods that do not fit the data, those of one reason together; errors begin with the method's name."""
    names: dict[str, list[str]] = {}
    for name, why in reasons.items():
        names.setdefault(why.removeprefix(f"{name} ").partition(". ")[0], []).append(name)
    return [f"Left out: {listed(some)}: {why}." for why, some in names.items()]


def about(comparison: Comparison) -> str:
    """What was compared on what."""
    items = " and ".join(f"{n:,} of {d}" for n, d in zip(comparison.counts, comparison.domains, strict=True))
    spent = sum(r.seconds for r in comparison.results)
    return (
        f"{len(comparison.results)} methods, each trained for {comparison.budget} on {items}, unpaired, at "
        f"{comparison.size} px in batches of {comparison.batches}, preset {comparison.preset}, seed {comparison.seed}, "
        f"on {comparison.device}; {duration(spent)} of steps in all."
    )


def listed(names: Sequence[str]) -> str:
    """Names as a person lists them."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
