"""What an audit found of hidden information, where there was one."""

from __future__ import annotations

from html import escape

from unpaired.evaluation.audited import Audit, advice, read_audit, verdict
from unpaired.report import words
from unpaired.report.facts import Facts
from unpaired.report.pictures import embed


def hidden(facts: Facts) -> str:
    """The headline of each route in words, what to do, and the audit's picture; empty without an audit."""
    audit = read_audit(facts.folder.audit)
    if audit is None:
        return ""
    routes = "".join(
        f"<p><strong>{escape(words.arrow(r.route))}</strong> {escape(verdict(r))}</p>" for r in audit.routes
    )
    told = f"<p>{escape(text)}</p>" if (text := advice(audit)) else ""
    about = (
        f"Audited at the {audit.checkpoint} checkpoint, step {audit.step:,}, on {audit.set}. Hidden information is the "
        f"share of the inputs that can be read from their translations, but not after {audit.passage}, which eyes "
        f"hardly see: 0 none, 1 all.{_stale(facts, audit)}"
    )
    picture = embed(facts.folder.audit_picture)
    shown = (
        f'<figure><img src="{picture.address}" alt="what the audit saw"><figcaption>Faint signal is amplified 15 '
        "times; compare the translation's with a real target's.</figcaption></figure>"
        if picture
        else ""
    )
    return f'<h2>Hidden information</h2>{routes}{told}<p class="soft">{escape(about)}</p>{shown}'


def _stale(facts: Facts, audit: Audit) -> str:
    step = next((step for which, step in facts.steps.items() if which == audit.checkpoint), audit.step)
    return "" if step == audit.step else f" This checkpoint is of step {step:,} by now: audit again."
