"""History of a run: losses, evaluations, samples and notices as JSON lines."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from unpaired.atomic import atomic_write

_FIELDS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "losses": {"losses": dict, "spent_s": (int, float)},
    "evaluation": {"metric": str, "value": (int, float, type(None))},
    "samples": {"route": str, "file": str},
    "notice": {"message": str},
}
"""Fields of each kind of record, with their types."""


class History:
    """File `history.jsonl`: one JSON object per line, with at least `kind` and `step`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, kind: str, step: int, **fields: Any) -> None:
        """Append one line; raises OSError, and leaves no incomplete line, if the disk is full."""
        line = (json.dumps({"kind": kind, "step": step, **fields}) + "\n").encode()
        with self.path.open("ab", buffering=0) as file:
            start = file.seek(0, os.SEEK_END)
            if file.write(line) != len(line):
                file.truncate(start)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))

    def read(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Return the lines (of one kind, if given) in order; skips damaged and incomplete lines."""
        if not self.path.is_file():
            return []
        lines = []
        for text in self.path.read_text(encoding="utf-8", errors="replace").split("\n"):
            try:
                line = json.loads(text)
            except (ValueError, RecursionError):
                continue
            if _is_record(line) and kind in (None, line["kind"]):
                lines.append(line)
        return lines

    def rewind(self, step: int, repeated_kinds: Collection[str] = ()) -> None:
        """Remove the lines that a resumed run writes again: those after `step`, and those of some kinds at `step`."""
        kept_lines = [
            json.dumps(line) + "\n"
            for line in self.read()
            if line["step"] < step or (line["step"] == step and line["kind"] not in repeated_kinds)
        ]
        with atomic_write(self.path) as temporary:
            temporary.write_text("".join(kept_lines), encoding="utf-8")


def _is_record(line: Any) -> bool:
    """Whether a line has a kind, a step and the fields of its kind; damaged lines may lack them."""
    if not isinstance(line, dict) or not isinstance(line.get("kind"), str) or type(line.get("step")) is not int:
        return False
    return all(name in line and isinstance(line[name], types) for name, types in _FIELDS.get(line["kind"], {}).items())
