"""Model card of a shared run: a README with what the model does, how it was trained and how good it is."""

from __future__ import annotations

import yaml

from unpaired.metrics.route_table import build_route_tables
from unpaired.metrics.text_table import format_table
from unpaired.report.run_text import (
    describe_measurement,
    describe_training,
    describe_verdict,
    format_title,
    list_notices,
)
from unpaired.runs.summary import RunSummary


def write_model_card(summary: RunSummary, repository: str, license: str) -> str:
    """Return the text of README.md with the hub's metadata in front."""
    config = summary.config
    medium = config.get_medium()
    metadata = {
        "license": license,
        "library_name": "unpaired",
        "pipeline_tag": medium.hub_task,
        "tags": ["unpaired", config.method],
    }
    limits = [
        f"It translates {medium.files_noun} of the kinds it was trained on; others give arbitrary results.",
        "It was trained without pairs, so it can add or remove content. Do not use it where that does harm.",
        *list_notices(summary),
    ]
    target = config.domains[-1].name
    sections = [
        f"---\n{yaml.safe_dump(metadata, sort_keys=False)}---",
        f"# {format_title(summary)}",
        describe_training(summary),
        "## Use",
        f"```bash\npip install 'unpaired[hub]'\nunpaired translate hf:{repository} INPUTS --to {target}\n```",
        "## Results",
        "\n".join(f"- {heading}: {text}" if heading else f"- {text}" for heading, text in describe_verdict(summary)),
        describe_measurement(summary),
        *(f"```text\n{format_table(table)}\n```" for table in build_route_tables(medium, summary.shown_routes)),
        "## Limits",
        "\n".join(f"- {text}" for text in limits),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"
