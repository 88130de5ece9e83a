"""What an audit found, and how a person reads it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from unpaired.metrics.significance import MIN_STANDARD_ERRORS

SOME_HIDDEN, MUCH_HIDDEN = 0.05, 0.2
"""Hidden information from which a route is said to hide some, and much."""


class FrozenModel(BaseModel):
    """Frozen, and without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PerturbationRow(FrozenModel):
    """How the way back, as it is, reads translations after one passage."""

    perturbation: str = Field(description="what was done to the translations")
    db: float = Field(
        description="peak signal to noise ratio of the passed translations to the translations, at most 100"
    )
    error: float = Field(description="mean absolute difference of reconstruction and input, share of the range")
    r2: float = Field(description="share of the inputs that the reconstruction tells, 0 to 1")
    sensitivity: float = Field(description="how what is read from real targets changes, share of its variance")
    r2_true_pairs: float | None = Field(None, description="told by the way back from the true translations")


class RouteAudit(FrozenModel):
    """The audit of one route. Shares are of the inputs' variance about their average picture, 0 to 1."""

    route: str = Field(description="source and target")
    items: int = Field(description="held-out inputs translated and read")
    pairs: int = Field(0, description="those among the test items whose true translation is known")
    has_reverse_route: bool = Field(description="whether the method has a way back; else the audit trained an inverse")
    probe_steps: int = Field(description="steps that each reader was taught")
    train_items: int = Field(description="training items that readers were taught on")
    r2: float = Field(description="share that a reader tells from the translations")
    r2_perturbed: float = Field(description="share that a reader taught alike tells after the faint passage")
    real_image_change: float = Field(description="share of themselves that real targets lose in that passage")
    hidden: float = Field(description="hidden information: told (1 - honest_loss) - told_marred, at least 0")
    hidden_error: float = Field(description="its standard error over the items")
    perturbations: tuple[PerturbationRow, ...]
    seconds: float = Field(0.0, description="time that the audit of this route took")

    def get_row(self, perturbation: str) -> PerturbationRow:
        """The row of one passage."""
        return next(row for row in self.perturbations if row.perturbation == perturbation)


class Audit(FrozenModel):
    """The audit of a run. `headline` is its one number, `hidden` that of each route by its words."""

    run: str
    set: str
    checkpoint: str
    step: int
    seed: int
    perturbation: str = Field(description="the passage that eyes do not see")
    steganography_defences: dict[str, Any] = Field(
        default_factory=dict, description="the method's settings against hiding: to try"
    )
    settings: dict[str, Any] = Field(default_factory=dict, description="what the run has of these settings")
    routes: tuple[RouteAudit, ...]

    @property
    def mean_hidden(self) -> float:
        """Hidden information, the mean over the routes."""
        return sum(r.hidden for r in self.routes) / len(self.routes)

    @property
    def hidden(self) -> Mapping[str, float]:
        """Hidden information of each route, by its words ("source -> target")."""
        return {r.route: r.hidden for r in self.routes}

    def text(self) -> str:
        """As a person reads it."""
        head = f"{self.run}, the {self.checkpoint} checkpoint (step {self.step}), on {self.set}"
        blocks = [
            f"{r.route}: {describe_verdict(r)}\n{describe_basis(r, self.perturbation)}\n\n{_format_table(r)}"
            for r in self.routes
        ]
        return "\n\n".join([head, *blocks, *filter(None, (DEFINITIONS, recommend(self)))])


DEFINITIONS = """\
hidden information: the share of the inputs (of their variance about the average picture) that can be read from the
  translations, but not after a passage that eyes do not see, beyond what real pictures lose in it. 0 none, 1 all.
The table is of the way back as it is, not taught anything: dB, what the passage changes of the translations; error, of
  the reconstruction (L1, share of the range); told, the share of the inputs that it tells; real, how strongly what it
  makes of real targets changes in the same passage (0 not at all; 2 nothing in common); truth, told from true pairs.
  A way back that reacts to faint noise on real targets too is fragile: its loss alone proves no hiding."""


def describe_verdict(r: RouteAudit) -> str:
    """The headline of a route, in words."""
    margin = MIN_STANDARD_ERRORS * r.hidden_error
    if r.r2 < SOME_HIDDEN:
        verdict = "nothing to hide: the translation tells next to nothing of the input"
    elif SOME_HIDDEN <= r.hidden <= margin:
        verdict = "on so few items it cannot be told from none"
    elif r.hidden < SOME_HIDDEN:
        verdict = "honest: what the translation tells of the input can be seen in it"
    else:
        verdict = f"{'much' if r.hidden >= MUCH_HIDDEN else 'some'} of the input is told by signal that eyes do not see"
    return f"hidden information {r.hidden:.2f} +- {r.hidden_error:.2f}; {verdict}"


def describe_basis(r: RouteAudit, perturbation: str) -> str:
    """What the headline was made of."""
    probe_description = (
        f"Readers: copies of the method's way back, taught {r.probe_steps} steps each"
        if r.has_reverse_route
        else f"The method has no way back, so the audit trained a small inverse (readers: {r.probe_steps} steps each from it)"
    )
    return (
        f"  {r.r2:.0%} of the inputs can be read from the translations, {r.r2_perturbed:.0%} after {perturbation} "
        f"({r.get_row(perturbation).db:.0f} dB), in which\n  real pictures lose {r.real_image_change:.1%} of themselves. {probe_description}\n  on "
        f"{r.train_items} training items; read on {r.items} held-out ones."
    )


def recommend(audit: Audit) -> str:
    """What to do about it; empty where there is nothing to do."""
    if not any(
        r.hidden >= SOME_HIDDEN and r.hidden > MIN_STANDARD_ERRORS * r.hidden_error and r.r2 >= SOME_HIDDEN
        for r in audit.routes
    ):
        return ""
    recommendation = (
        "What to do: do not judge these translations by their reconstruction; look at them, and at `unpaired evaluate`."
    )
    if not audit.steganography_defences:
        return f"{recommendation} The method has no settings against it; one with less to tell may do better."
    flags = " or ".join(f"--{name.replace('_', '-')} {value:g}" for name, value in audit.steganography_defences.items())
    current = ", ".join(
        f"{name} {audit.settings[name]:g}" for name in audit.steganography_defences if name in audit.settings
    )
    return f"{recommendation} Train anew with {flags} (this run: {current}), and audit that."


def _format_table(r: RouteAudit) -> str:
    rows = [("passage", "dB", "error", "told", "real", "truth")]
    for p in r.perturbations:
        db = "-" if p.db >= 100 else f"{p.db:.1f}"
        truth = "-" if p.r2_true_pairs is None else f"{p.r2_true_pairs:.2f}"
        rows.append((p.perturbation, db, f"{p.error:.3f}", f"{p.r2:.2f}", f"{p.sensitivity:.2f}", truth))
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
