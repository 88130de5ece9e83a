"""What an audit found of hidden information, where there was one."""

from __future__ import annotations

from html import escape

from unpaired.evaluation.audit_results import Audit, describe_verdict, read_audit, recommend
from unpaired.report import run_text
from unpaired.report.embedded_images import embed_image
from unpaired.runs.summary import RunSummary


def render_hidden(summary: RunSummary) -> str:
    """The headline of each route in words, what to do, and the audit's picture; empty without an audit."""
    audit = read_audit(summary.folder.audit)
    if audit is None:
        return ""
    routes = "".join(
        f"<p><strong>{escape(run_text.format_route(r.route))}</strong> {escape(describe_verdict(r))}</p>"
        for r in audit.routes
    )
    recommendation = f"<p>{escape(text)}</p>" if (text := recommend(audit)) else ""
    about = (
        f"Audited at the {audit.checkpoint} checkpoint, step {audit.step:,}, on {audit.set}. Hidden information is the "
        f"share of the inputs that can be read from their translations, but not after {audit.perturbation}, which eyes "
        f"hardly see: 0 none, 1 all.{_describe_staleness(summary, audit)}"
    )
    picture = embed_image(summary.folder.audit_image)
    figure = (
        f'<figure><img src="{picture.data_url}" alt="what the audit saw"><figcaption>Faint signal is amplified 15 '
        "times; compare the translation's with a real target's.</figcaption></figure>"
        if picture
        else ""
    )
    return f'<h2>Hidden information</h2>{routes}{recommendation}<p class="soft">{escape(about)}</p>{figure}'


def _describe_staleness(summary: RunSummary, audit: Audit) -> str:
    step = next((step for checkpoint, step in summary.steps.items() if checkpoint == audit.checkpoint), audit.step)
    return "" if step == audit.step else f" This checkpoint is of step {step:,} by now: audit again."
