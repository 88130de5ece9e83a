"""What an audit found, and how a person reads it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from unpaired.evaluation.standing import SURE

SOME, MUCH = 0.05, 0.2
"""Hidden information from which a route is said to hide some, and much."""


class Record(BaseModel):
    """Frozen, and without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PassageRow(Record):
    """How the way back, as it is, reads translations after one passage."""

    passage: str = Field(description="what was done to the translations")
    db: float = Field(
        description="peak signal to noise ratio of the passed translations to the translations, at most 100"
    )
    error: float = Field(description="mean absolute difference of reconstruction and input, share of the range")
    told: float = Field(description="share of the inputs that the reconstruction tells, 0 to 1")
    reaction: float = Field(description="how what is read from real targets changes, share of its variance")
    told_truth: float | None = Field(None, description="told by the way back from the true translations")


class RouteAudit(Record):
    """The audit of one route. Shares are of the inputs' variance about their average picture, 0 to 1."""

    route: str = Field(description="source and target")
    items: int = Field(description="held-out inputs translated and read")
    pairs: int = Field(0, description="those among the test items whose true translation is known")
    own_way_back: bool = Field(description="whether the method has a way back; else the audit trained an inverse")
    steps: int = Field(description="steps that each reader was taught")
    taught_on: int = Field(description="training items that readers were taught on")
    told: float = Field(description="share that a reader tells from the translations")
    told_marred: float = Field(description="share that a reader taught alike tells after the faint passage")
    honest_loss: float = Field(description="share of themselves that real targets lose in that passage")
    hidden: float = Field(description="hidden information: told (1 - honest_loss) - told_marred, at least 0")
    hidden_error: float = Field(description="its standard error over the items")
    passages: tuple[PassageRow, ...]
    seconds: float = Field(0.0, description="time that the audit of this route took")

    def row(self, passage: str) -> PassageRow:
        """The row of one passage."""
        return next(row for row in self.passages if row.passage == passage)


class Audit(Record):
    """The audit of a run. `headline` is its one number, `hidden` that of each route by its words."""

    run: str
    set: str
    checkpoint: str
    step: int
    seed: int
    passage: str = Field(description="the passage that eyes do not see")
    defences: dict[str, Any] = Field(default_factory=dict, description="the method's settings against hiding: to try")
    settings: dict[str, Any] = Field(default_factory=dict, description="what the run has of these settings")
    routes: tuple[RouteAudit, ...]

    @property
    def headline(self) -> float:
        """Hidden information, the mean over the routes."""
        return sum(r.hidden for r in self.routes) / len(self.routes)

    @property
    def hidden(self) -> Mapping[str, float]:
        """Hidden information of each route, by its words ("source -> target")."""
        return {r.route: r.hidden for r in self.routes}

    def text(self) -> str:
        """As a person reads it."""
        head = f"{self.run}, the {self.checkpoint} checkpoint (step {self.step}), on {self.set}"
        blocks = [f"{r.route}: {verdict(r)}\n{basis(r, self.passage)}\n\n{_table(r)}" for r in self.routes]
        return "\n\n".join([head, *blocks, *filter(None, (DEFINITIONS, advice(self)))])


DEFINITIONS = """\
hidden information: the share of the inputs (of their variance about the average picture) that can be read from the
  translations, but not after a passage that eyes do not see, beyond what real pictures lose in it. 0 none, 1 all.
The table is of the way back as it is, not taught anything: dB, what the passage changes of the translations; error, of
  the reconstruction (L1, share of the range); told, the share of the inputs that it tells; real, how strongly what it
  makes of real targets changes in the same passage (0 not at all; 2 nothing in common); truth, told from true pairs.
  A way back that reacts to faint noise on real targets too is fragile: its loss alone proves no hiding."""


def verdict(r: RouteAudit) -> str:
    """The headline of a route, in words."""
    chance = SURE * r.hidden_error
    if r.told < SOME:
        words = "nothing to hide: the translation tells next to nothing of the input"
    elif SOME <= r.hidden <= chance:
        words = "on so few items it cannot be told from none"
    elif r.hidden < SOME:
        words = "honest: what the translation tells of the input can be seen in it"
    else:
        words = f"{'much' if r.hidden >= MUCH else 'some'} of the input is told by signal that eyes do not see"
    return f"hidden information {r.hidden:.2f} +- {r.hidden_error:.2f}; {words}"


def basis(r: RouteAudit, passage: str) -> str:
    """What the headline was made of."""
    way = (
        f"Readers: copies of the method's way back, taught {r.steps} steps each"
        if r.own_way_back
        else f"The method has no way back, so the audit trained a small inverse (readers: {r.steps} steps each from it)"
    )
    return (
        f"  {r.told:.0%} of the inputs can be read from the translations, {r.told_marred:.0%} after {passage} "
        f"({r.row(passage).db:.0f} dB), in which\n  real pictures lose {r.honest_loss:.1%} of themselves. {way}\n  on "
        f"{r.taught_on} training items; read on {r.items} held-out ones."
    )


def advice(audit: Audit) -> str:
    """What to do about it; empty where there is nothing to do."""
    if not any(r.hidden >= SOME and r.hidden > SURE * r.hidden_error and r.told >= SOME for r in audit.routes):
        return ""
    words = (
        "What to do: do not judge these translations by their reconstruction; look at them, and at `unpaired evaluate`."
    )
    if not audit.defences:
        return f"{words} The method has no settings against it; one with less to tell may do better."
    flags = " or ".join(f"--{name.replace('_', '-')} {value:g}" for name, value in audit.defences.items())
    now = ", ".join(f"{name} {audit.settings[name]:g}" for name in audit.defences if name in audit.settings)
    return f"{words} Train anew with {flags} (this run: {now}), and audit that."


def _table(r: RouteAudit) -> str:
    rows = [("passage", "dB", "error", "told", "real", "truth")]
    for p in r.passages:
        db = "-" if p.db >= 100 else f"{p.db:.1f}"
        truth = "-" if p.told_truth is None else f"{p.told_truth:.2f}"
        rows.append((p.passage, db, f"{p.error:.3f}", f"{p.told:.2f}", f"{p.reaction:.2f}", truth))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  " + "  ".join([name.ljust(widths[0]), *map(str.rjust, cells, widths[1:])]) for name, *cells in rows
    )


def read_audit(file: Path) -> Audit | None:
    """What the last audit wrote; None where there is none, or it is damaged."""
    try:
        return Audit.model_validate_json(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
