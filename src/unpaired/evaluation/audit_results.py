"""The results of an audit, and their text."""

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
    """How well the reverse route reconstructs inputs from translations after one perturbation."""

    perturbation: str = Field(description="perturbation of the translations")
    db: float = Field(
        description="peak signal-to-noise ratio of the perturbed translations to the translations, at most 100 dB"
    )
    error: float = Field(
        description="mean absolute difference of reconstruction and input, as a fraction of the value range"
    )
    r2: float = Field(
        description="R^2 of the reconstruction: fraction of the inputs' variance that it explains, 0 to 1"
    )
    sensitivity: float = Field(description="output change on real target images, relative to their variance")
    r2_true_pairs: float | None = Field(None, description="R^2 of the reconstruction from true translations")


class RouteAudit(FrozenModel):
    """The audit of one route. R^2 is of the inputs' variance about their mean image, 0 to 1."""

    route: str = Field(description="source and target")
    items: int = Field(description="held-out inputs translated and reconstructed")
    pairs: int = Field(0, description="those among the test items whose true translation is known")
    has_reverse_route: bool = Field(
        description="whether the method has a reverse route; else the audit trained an inverse"
    )
    probe_steps: int = Field(description="training steps of each probe")
    train_items: int = Field(description="training items of the probes")
    r2: float = Field(description="R^2 of a probe that reads the translations")
    r2_perturbed: float = Field(description="R^2 of a probe trained and tested after the faint perturbation")
    real_image_change: float = Field(
        description="fraction of their variance that real targets lose in that perturbation"
    )
    hidden: float = Field(description="hidden information: r2 (1 - real_image_change) - r2_perturbed, at least 0")
    hidden_error: float = Field(description="its standard error over the items")
    perturbations: tuple[PerturbationRow, ...]
    seconds: float = Field(0.0, description="time that the audit of this route took")

    def get_row(self, perturbation: str) -> PerturbationRow:
        """Return the row of one perturbation."""
        return next(row for row in self.perturbations if row.perturbation == perturbation)


class Audit(FrozenModel):
    """The audit of a run. `mean_hidden` is its one number, `hidden` that of each route."""

    run: str
    set: str
    checkpoint: str
    step: int
    seed: int
    perturbation: str = Field(description="the imperceptible perturbation of the headline")
    steganography_defences: dict[str, Any] = Field(
        default_factory=dict, description="the method's settings against steganography: values to try"
    )
    settings: dict[str, Any] = Field(default_factory=dict, description="the run's values of these settings")
    routes: tuple[RouteAudit, ...]

    @property
    def mean_hidden(self) -> float:
        """Hidden information, the mean over the routes."""
        return sum(r.hidden for r in self.routes) / len(self.routes)

    @property
    def hidden(self) -> Mapping[str, float]:
        """Hidden information of each route ("source -> target")."""
        return {r.route: r.hidden for r in self.routes}

    def text(self) -> str:
        """Format the audit for a terminal."""
        head = f"{self.run}, the {self.checkpoint} checkpoint (step {self.step}), on {self.set}"
        blocks = [
            f"{r.route}: {describe_verdict(r)}\n{describe_basis(r, self.perturbation)}\n\n{_format_table(r)}"
            for r in self.routes
        ]
        return "\n\n".join([head, *blocks, *filter(None, (DEFINITIONS, recommend(self)))])


DEFINITIONS = """\
hidden information: the fraction of the inputs' variance that a probe reads from the translations, but not after an
  imperceptible perturbation, beyond what real pictures lose in it. 0 none, 1 all.
The table is of the untrained reverse route. dB: peak signal-to-noise ratio of the perturbation. error: of the
  reconstruction (L1, fraction of the value range). R2: of the reconstruction. real: output change on real targets
  after the same perturbation (0 none; 2 nothing in common). truth: R2 from true pairs.
  A reverse route that reacts to faint noise on real targets too is fragile: its loss alone proves no hiding."""


def describe_verdict(r: RouteAudit) -> str:
    """Describe the headline of a route."""
    margin = MIN_STANDARD_ERRORS * r.hidden_error
    if r.r2 < SOME_HIDDEN:
        verdict = "nothing to hide: the translation carries hardly any information about the input"
    elif SOME_HIDDEN <= r.hidden <= margin:
        verdict = "too few items to tell it from none"
    elif r.hidden < SOME_HIDDEN:
        verdict = "honest: what the translation carries of the input is visible in it"
    else:
        verdict = f"{'much' if r.hidden >= MUCH_HIDDEN else 'some'} of the input is hidden in imperceptible signal"
    return f"hidden information {r.hidden:.2f} +- {r.hidden_error:.2f}; {verdict}"


def describe_basis(r: RouteAudit, perturbation: str) -> str:
    """Say how the headline was measured."""
    probe_description = (
        f"Probes: copies of the method's reverse route, trained for {r.probe_steps} steps each"
        if r.has_reverse_route
        else "The method has no reverse route, so the audit trained a small inverse (probes: "
        f"{r.probe_steps} steps each from it)"
    )
    return (
        f"  {r.r2:.0%} of the inputs can be read from the translations, {r.r2_perturbed:.0%} after {perturbation} "
        f"({r.get_row(perturbation).db:.0f} dB), which\n  changes real pictures by {r.real_image_change:.1%}. "
        f"{probe_description}\n  on {r.train_items} training items; measured on {r.items} held-out ones."
    )


def recommend(audit: Audit) -> str:
    """Recommend what to do; empty where nothing is hidden."""
    if not any(
        r.hidden >= SOME_HIDDEN and r.hidden > MIN_STANDARD_ERRORS * r.hidden_error and r.r2 >= SOME_HIDDEN
        for r in audit.routes
    ):
        return ""
    recommendation = (
        "What to do: do not judge these translations by their reconstruction, but by eye and by `unpaired evaluate`."
    )
    if not audit.steganography_defences:
        return f"{recommendation} The method has no settings against it; try another method."
    flags = " or ".join(f"--{name.replace('_', '-')} {value:g}" for name, value in audit.steganography_defences.items())
    current = ", ".join(
        f"{name} {audit.settings[name]:g}" for name in audit.steganography_defences if name in audit.settings
    )
    return f"{recommendation} Train a new run with {flags} (this run: {current}), and audit it."


def _format_table(r: RouteAudit) -> str:
    rows = [("perturbation", "dB", "error", "R2", "real", "truth")]
    for p in r.perturbations:
        db = "-" if p.db >= 100 else f"{p.db:.1f}"
        truth = "-" if p.r2_true_pairs is None else f"{p.r2_true_pairs:.2f}"
        rows.append((p.perturbation, db, f"{p.error:.3f}", f"{p.r2:.2f}", f"{p.sensitivity:.2f}", truth))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  " + "  ".join([name.ljust(widths[0]), *map(str.rjust, cells, widths[1:])]) for name, *cells in rows
    )


def read_audit(file: Path) -> Audit | None:
    """Read what the last audit wrote; None where there is none, or it is damaged."""
    try:
        return Audit.model_validate_json(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
