"""Errors of requests, and texts without paths of the server."""

from __future__ import annotations

import re
from collections.abc import Mapping

_ABSOLUTE_PATH = re.compile(r"(?<![\w.:/~-])(?:[A-Za-z]:[\\/]|/)(?:[^\s/\\:;,()'\"<>|]+[\\/])+([^\s/\\:;,()'\"<>|]*)")


class RequestError(Exception):
    """A request that is answered with an HTTP `status` and the reason; `retry_after` is in seconds."""

    def __init__(self, status: int, reason: str, retry_after: int | None = None) -> None:
        super().__init__(reason)
        self.status, self.reason, self.retry_after = status, reason, retry_after


def hide_paths(text: str, names: Mapping[str, str]) -> str:
    """Replace folders of the server in a text by `names` (folder -> name), and other absolute paths by their last part.

    A folder with an empty name disappears, so that paths below it become relative.
    """
    for folder in sorted(names, key=len, reverse=True):
        name = names[folder]
        text = text.replace(f"{folder}/", f"{name}/" if name else "").replace(folder, name)
    return _ABSOLUTE_PATH.sub(lambda match: match[1], text)
