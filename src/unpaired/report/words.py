"""What a run amounts to, in sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from unpaired.evaluation import trend as trends
from unpaired.evaluation.features import INSTALL
from unpaired.evaluation.measure import RouteMeasures
from unpaired.evaluation.standing import SURE, nearer_to_truth
from unpaired.methods import METHODS
from unpaired.report.facts import Evaluation, Facts
from unpaired.runs.progress import Budget
from unpaired.terminal import duration

DISTANCES = {"image": "KID", "voice": "distance of frames"}
"""By which checkpoints of a medium are told apart."""
MOST_NAMED = 3
"""Domains that a title names."""
WORKED, PARTLY = 0.7, 0.3
"""Shares of the way from the untranslated pictures to real ones, by KID, from which a route is said to work."""


def title(facts: Facts) -> str:
    """The domains, and between which of them the run has shown that it translates."""
    routes = max(len({r.route for e in facts.evaluations for r in e.routes}), len({s.route for s in facts.samples}))
    return together([d.name for d in facts.config.domains], f" {('and', '→', '↔')[min(routes, 2)]} ")


def together(domains: Sequence[str], joint: str = " and ") -> str:
    """The names of a few domains, joined; of many how many they are, and the first."""
    if len(domains) <= MOST_NAMED:
        return joint.join(domains)
    return f"{len(domains)} domains: {', '.join(domains[:MOST_NAMED])} ..."


def training(facts: Facts) -> str:
    """What was trained on what, and for how long; or what was imported."""
    config, progress = facts.config, facts.progress
    row = METHODS[config.method]
    if config.imported is not None:
        return f"Not trained here: its generator was imported from {config.imported}."
    counts = [f"{len(s.train):,} of {s.name}" for s in facts.sets]
    trained_on = f" on {' and '.join(counts)}, unpaired," if counts else ""
    evaluating = f", and {duration(progress.evaluation_s)} of evaluations" if progress.evaluation_s else ""
    voice = config.voice
    seen = (
        f"at {config.data.size} px" if voice is None else f"in crops of {voice.frames} frames ({voice.representation})"
    )
    text = (
        f"Method {row.name} ({row.paper}), preset {config.preset}, trained{trained_on} {seen} for "
        f"{progress.step:,} steps of {config.training.batch}: {duration(progress.spent_s)} of steps{evaluating}."
    )
    if config.teacher is not None:
        text += f" Its teacher was {Path(config.teacher.file).parent}."
    if facts.share < 1:
        budget = Budget(config.training.steps, config.training.minutes)
        text += f" It stopped, or still is, at {int(100 * facts.share)} % of its budget of {budget}."
    return text


def verdict(facts: Facts) -> list[tuple[str, str]]:
    """Whether it worked: for each route its name and what there is to say, then the training as a whole."""
    if facts.shown is None:
        return [("Not measured", "whether it worked is for you to see in the pictures.")]
    out = [(arrow(r.route), f"{likeness(r)}{truth(r)}") for r in facts.shown.routes]
    return [*out, ("", text)] if (text := trend(facts)) else out


def likeness(r: RouteMeasures) -> str:
    """How near to the target a route's translations are, between doing nothing and real pictures."""
    if r.kid is None or not math.isfinite(r.kid):
        why = INSTALL if r.features is None else f"{r.sources} and {r.targets} held-back items are too few for KID"
        return f"likeness to the target was not measured. {why}."
    if r.kid_nothing is None:
        return f"KID is {r.kid:.3g}."
    real = f", real pictures {r.kid_real:.3g}" if r.kid_real is not None else ""
    rough = f" Of {r.sources} and {r.targets} items, this is rough." if r.kid_error is None else ""
    return f"{judged(r, r.kid, r.kid_nothing)} (KID {r.kid:.3g}; doing nothing {r.kid_nothing:.3g}{real}).{rough}"


def judged(r: RouteMeasures, kid: float, nothing: float) -> str:
    """The judgement on a route by its KID and that of doing nothing; two standard errors are within chance."""
    chance, floor = SURE * (r.kid_error or 0.0), r.kid_real or 0.0
    if kid > nothing + chance:
        return "did not work: translations are further from the target than untranslated pictures"
    if kid >= nothing - chance or nothing <= floor:
        return "no gain over untranslated pictures that could be told from chance"
    if kid <= floor + chance:
        return "worked: by KID, translations cannot be told from real pictures of the target"
    share = (nothing - kid) / (nothing - floor)
    word = "worked" if share >= WORKED else "worked in part" if share >= PARTLY else "hardly worked"
    return f"{word}: translations went {share:.0%} of the way from untranslated pictures to real ones"


def truth(r: RouteMeasures) -> str:
    """How near a route's translations are to the true ones, where those are known."""
    if r.l1 is None or r.l1_nothing is None:
        return ""
    nearer = "nearer to" if nearer_to_truth(r) else "hardly nearer to" if r.l1 < r.l1_nothing else "no nearer to"
    return (
        f" They are {nearer} the true translations than the input is (L1 {r.l1:.3f}; doing nothing {r.l1_nothing:.3f})."
    )


def trend(facts: Facts) -> str:
    """Whether training still gains; empty where no KID was measured on the way."""
    known = [(e.step, e.mean_kid) for e in facts.evaluations if e.mean_kid is not None]
    return trends.words(known) if known else ""


def notices(facts: Facts) -> list[str]:
    """What was noticed on the way, each once; the newest words on the trend are in the verdict already."""
    known = trend(facts)
    said = [f"Step {step:,}: {words}" if step else words for step, words in facts.notices if words != known]
    return list(dict.fromkeys(said))


def checkpoints(facts: Facts) -> str:
    """Which checkpoints there are, and which one translating uses."""
    best, last = facts.steps.get("best"), facts.steps.get("last")
    distance = DISTANCES[facts.config.medium]
    if facts.config.imported is not None:
        return "Translating uses the imported generator."
    if best is not None:
        kid = f" {facts.progress.best_kid:.3g}" if facts.progress.best_kid is not None else ""
        other = f" --checkpoint last takes the last one, step {last:,}." if last is not None else ""
        return (
            f"Translating uses the best checkpoint: step {best:,}, of lowest mean {distance}{kid} on held-back items."
            f"{other}"
        )
    if last is not None:
        why = f"no best one was chosen, as no {distance} was measured"
        return f"Translating uses the last checkpoint, step {last:,}: {why}."
    return "No checkpoint has been saved yet."


def measured_on(evaluation: Evaluation) -> str:
    """What an evaluation was made of."""
    if evaluation.checkpoint is None:
        return f"Measured at step {evaluation.step:,}, on the items held back to choose the best checkpoint."
    return f"Measured at the {evaluation.checkpoint} checkpoint, step {evaluation.step:,}, on {evaluation.set}."


def stale(facts: Facts, evaluation: Evaluation) -> str:
    """A warning where the measures are of an older state than the saved one."""
    step = next((step for which, step in facts.steps.items() if which == evaluation.checkpoint), None)
    if step is None or step == evaluation.step:
        return ""
    return f" This checkpoint is of step {step:,} by now: evaluate again."


def arrow(route: str) -> str:
    """A route's words as they are shown."""
    return route.replace(" -> ", " → ")
