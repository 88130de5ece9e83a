"""Results of an audit, and their description in text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from unpaired.metrics.significance import MIN_STANDARD_ERRORS

SOME_HIDDEN, MUCH_HIDDEN = 0.05, 0.2
"""Thresholds of hidden information: some and much of the input is hidden."""


class FrozenModel(BaseModel):
    """Immutable model that rejects unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PerturbationRow(FrozenModel):
    """Reconstruction of inputs by the reverse route from translations after one perturbation."""

    perturbation: str = Field(description="perturbation of the translations")
    db: float = Field(description="peak signal-to-noise ratio of the perturbed translations in dB, at most 100")
    error: float = Field(description="mean absolute error of the reconstruction, as a fraction of the value range")
    r2: float = Field(
        description="R^2 of the reconstruction: fraction of the inputs' variance that it explains, 0 to 1"
    )
    sensitivity: float = Field(description="output change on real target images, relative to their variance")
    r2_true_pairs: float | None = Field(None, description="R^2 of the reconstruction from true translations")


class RouteAudit(FrozenModel):
    """Audit of one route. R^2 is the explained fraction of the inputs' variance about their mean image, 0 to 1."""

    route: str = Field(description="source and target")
    items: int = Field(description="number of held-out inputs")
    pairs: int = Field(0, description="number of test inputs with a known true translation")
    has_reverse_route: bool = Field(
        description="whether the method has a reverse route; otherwise the audit trained an inverse"
    )
    probe_steps: int = Field(description="number of training steps of each probe")
    train_items: int = Field(description="number of training items of the probes")
    r2: float = Field(description="R^2 of a probe on the translations")
    r2_perturbed: float = Field(description="R^2 of a probe trained and tested on perturbed translations")
    real_image_change: float = Field(
        description="fraction of the variance of real targets that the perturbation destroys"
    )
    hidden: float = Field(description="hidden information: max(0, r2 (1 - real_image_change) - r2_perturbed)")
    hidden_error: float = Field(description="standard error of `hidden` over the items")
    perturbations: tuple[PerturbationRow, ...]
    seconds: float = Field(0.0, description="duration of the audit of this route in seconds")

    def get_row(self, perturbation: str) -> PerturbationRow:
        """Return the row of one perturbation; raises StopIteration if it is missing."""
        return next(row for row in self.perturbations if row.perturbation == perturbation)


class Audit(FrozenModel):
    """Audit of a run. `hidden` is the hidden information of each route, `mean_hidden` its mean."""

    run: str
    set: str
    checkpoint: str
    step: int
    seed: int
    perturbation: str = Field(description="imperceptible perturbation that defines hidden information")
    steganography_defences: dict[str, Any] = Field(
        default_factory=dict, description="settings of the method that reduce steganography, with recommended values"
    )
    settings: dict[str, Any] = Field(default_factory=dict, description="the run's values of these settings")
    routes: tuple[RouteAudit, ...]

    @property
    def mean_hidden(self) -> float:
        """Mean of the hidden information over the routes."""
        return sum(r.hidden for r in self.routes) / len(self.routes)

    @property
    def hidden(self) -> Mapping[str, float]:
        """Hidden information by route ("source -> target")."""
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
  imperceptible perturbation; the loss of real pictures under that perturbation is subtracted. 0 none, 1 all.
The table is for the reverse route without further training. dB: peak signal-to-noise ratio of the perturbation.
  error: L1 error of the reconstruction, as a fraction of the value range. R2: of the reconstruction. real: output
  change on real targets under the same perturbation (0 none; 2 uncorrelated). truth: R2 from true pairs.
  A reverse route that reacts to faint noise on real targets too is fragile: its error alone does not prove hiding."""


def describe_verdict(r: RouteAudit) -> str:
    """Describe the hidden information of a route."""
    margin = MIN_STANDARD_ERRORS * r.hidden_error
    if r.r2 < SOME_HIDDEN:
        verdict = "nothing to hide: the translation carries hardly any information about the input"
    elif SOME_HIDDEN <= r.hidden <= margin:
        verdict = "not significant with so few items"
    elif r.hidden < SOME_HIDDEN:
        verdict = "none hidden: what the translation carries of the input is visible in it"
    else:
        verdict = f"{'much' if r.hidden >= MUCH_HIDDEN else 'some'} of the input is hidden in imperceptible signal"
    return f"hidden information {r.hidden:.2f} +- {r.hidden_error:.2f}; {verdict}"


def describe_basis(r: RouteAudit, perturbation: str) -> str:
    """Describe how hidden information was measured."""
    probe_description = (
        f"Probes: copies of the method's reverse route, trained for {r.probe_steps} steps each"
        if r.has_reverse_route
        else "The method has no reverse route, so the audit trained a small inverse "
        f"(probes: copies of it, trained for {r.probe_steps} steps each)"
    )
    return (
        f"  {r.r2:.0%} of the inputs can be read from the translations, {r.r2_perturbed:.0%} after {perturbation} "
        f"({r.get_row(perturbation).db:.0f} dB), which\n  changes real pictures by {r.real_image_change:.1%}. "
        f"{probe_description}\n  on {r.train_items} training items; measured on {r.items} held-out items."
    )


def recommend(audit: Audit) -> str:
    """Recommend what to do; empty if no route hides a significant fraction."""
    if not any(
        r.hidden >= SOME_HIDDEN and r.hidden > MIN_STANDARD_ERRORS * r.hidden_error and r.r2 >= SOME_HIDDEN
        for r in audit.routes
    ):
        return ""
    recommendation = (
        "What to do: do not judge these translations by their reconstruction; judge them by eye and by "
        "`unpaired evaluate`."
    )
    if not audit.steganography_defences:
        return f"{recommendation} This method has no setting that reduces it; try another method."
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
    """Read the results of the last audit; None if the file is missing or damaged."""
    try:
        return Audit.model_validate_json(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
