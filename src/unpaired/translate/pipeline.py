"""The protocol of a medium's pipeline: what the translation of files needs from it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from unpaired.media.base import Medium

__all__ = ["FilePipeline", "PipelineItem"]


class PipelineItem(Protocol):
    """A file made ready in a thread, for its turn at the networks."""

    @property
    def batch_key(self) -> tuple[object, ...]:
        """What files that pass the networks together have in common."""

    @property
    def memory_cost(self) -> int:
        """What it takes of the memory for files that wait for others of their kind."""


R = TypeVar("R", bound=PipelineItem)
M = TypeVar("M")


class FilePipeline(Protocol[R, M]):
    """One way of a model, carried out on files of its medium; and on what is in memory, by `one`.

    `prepare_file` and `write` are called in threads, several at a time; `run` by one thread.
    """

    @property
    def medium(self) -> Medium:
        """The medium that it translates."""

    @property
    def max_waiting_cost(self) -> int:
        """The weight of files that may wait for others of their kind."""

    def get_result_settings(self) -> Sequence[object]:
        """All that its results depend on beside the input, in types of JSON."""

    def make_output_name(self, name: str) -> str:
        """The name of the output of an input called `name`."""

    def estimate_bytes(self, path: Path) -> int:
        """Return the bytes that a file takes once decoded; 0 where that does not grow with it, or is not known."""

    def prepare_file(self, path: Path) -> R:
        """Read a file, or as much of it as `run` needs; raises UnreadableFile."""

    def list_warnings(self, prepared_item: R) -> Sequence[str]:
        """What a user should know of how it is translated; the same words for the same reason."""

    def run(self, batch: Sequence[R]) -> Sequence[M]:
        """What the networks make of files that are `alike`."""

    def write(self, output: Path, prepared_item: R, result: M) -> Sequence[str]:
        """Write a result, whole or not at all; gives more notices. Raises UnpairedError, OSError."""

    def translate_object(self, x: Any, sample_rate_hz: int | None = None) -> Any:
        """Translate what is in memory, or one file, to the same kind of thing; raises UsageError for other kinds."""
