"""Settings of single methods of a comparison: the arguments of `--set`. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unpaired.config.setting_models import explain_unknown_setting, get_section_models
from unpaired.config.value_text import parse_value
from unpaired.errors import UsageError, suggest_name
from unpaired.media import MEDIA
from unpaired.methods import METHODS

FLAGS_REFUSED_BY_COMPARE = {
    "--teacher": "a comparison gives all methods the same data and budget, and a teacher has used some before; "
    "train that method on its own: unpaired train",
    "--auto-depth": "trains several runs with one method, so its budget is not comparable; train that method on its "
    "own: unpaired train",
}
"""Flags of `unpaired train` that a comparison refuses, and why."""


def parse_method_overrides(assignments: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Parse `METHOD.NAME=VALUE` arguments to settings by method; raises UsageError for invalid ones."""
    out: dict[str, dict[str, Any]] = {}
    for assignment in assignments:
        target, equals, text = assignment.partition("=")
        method, dot, name = target.partition(".")
        if not (equals and dot and name):
            raise UsageError(
                f"--set {assignment}: expected METHOD.NAME=VALUE, as in --set {next(iter(METHODS))}.lr=0.0001"
            )
        if method not in METHODS:
            raise UsageError(f"--set {assignment}: method '{method}': {suggest_name(method, METHODS)}")
        models = [m for medium in MEDIA.values() for m in get_section_models(method, medium).values()]
        fields = {key: info for model in models for key, info in model.model_fields.items()}
        name = name.replace("-", "_")
        if (flag := f"--{name.replace('_', '-')}") in FLAGS_REFUSED_BY_COMPARE:
            raise UsageError(f"--set {assignment}: {FLAGS_REFUSED_BY_COMPARE[flag]}")
        if name not in fields:
            raise UsageError(f"--set {assignment}: {explain_unknown_setting(name, method, fields)}")
        out.setdefault(method, {})[name] = parse_value(text, fields[name].annotation)
    return out
