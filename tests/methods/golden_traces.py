"""Three training steps of every method, as values that a refactoring must not change.

After an intended change, run `python tests/methods/golden_traces.py` and explain the change in the commit message.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from tiny_methods import IMAGE_METHODS, LIGHT, build

from unpaired.methods.base import StepContext
from unpaired.testing.tiny_methods import NETWORKS, create_batches, create_loop

FILE = Path(__file__).parents[1] / "data_files" / "golden_traces.json"
FORMS: dict[str, Mapping[str, Any]] = {
    "plain": NETWORKS,
    "light": {**LIGHT, "augment": ("color", "translation", "cutout")},
}


def trace(name: str, form: str) -> dict[str, Any]:
    """Return the losses of three float64 steps on the CPU, and each role's sums of parameters and absolute values."""
    method = build(name, FORMS[form])
    loop = create_loop(method)
    steps = [
        {loss: value.item() for loss, value in loop.step([batch], StepContext(step, step / 3)).items()}
        for step, batch in enumerate(create_batches(method, 3, items=2))
    ]
    roles = [role for player in method.players.values() for role in player.roles]
    none = torch.empty(0, dtype=torch.float64)  # for roles without parameters
    flat = {r: torch.cat([none, *(p.detach().flatten() for p in method.get_submodule(r).parameters())]) for r in roles}
    return {
        "losses": steps,
        "sums": {role: values.sum().item() for role, values in flat.items()},
        "sizes": {role: values.abs().sum().item() for role, values in flat.items()},
    }


if __name__ == "__main__":
    traces = {f"{name} {form}": trace(name, form) for name in IMAGE_METHODS for form in FORMS}
    FILE.write_text(json.dumps(traces, indent=1) + "\n", encoding="utf-8")
