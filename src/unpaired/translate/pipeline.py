"""Protocol of a medium's pipeline for the translation of files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from unpaired.console import FractionCallback, ignore_fraction
from unpaired.media.base import Medium

__all__ = ["Destination", "FilePipeline", "PipelineItem"]


@dataclass(frozen=True)
class Destination:
    """File of a translation, and a hash of everything besides the input that it depends on."""

    path: Path
    settings_hash: str


class PipelineItem(Protocol):
    """A file that was read in a thread and waits for the networks."""

    @property
    def batch_key(self) -> tuple[object, ...]:
        """Key of files that the networks can process in one batch."""

    @property
    def memory_cost(self) -> int:
        """Cost against the pipeline's `max_waiting_cost` while the file waits for others with the same `batch_key`."""


ItemT = TypeVar("ItemT", bound=PipelineItem)
ResultT = TypeVar("ResultT")


class FilePipeline(Protocol[ItemT, ResultT]):
    """One route of a model, applied to files of its medium or to objects in memory (`translate_object`).

    `prepare_file` and `write` are called from several threads, `run` from one.
    """

    @property
    def medium(self) -> Medium:
        """Medium of the files."""

    @property
    def max_waiting_cost(self) -> int:
        """Maximum total `memory_cost` of files that wait for others with the same `batch_key`."""

    def get_result_settings(self) -> Sequence[object]:
        """Return everything that results depend on besides the input, as JSON types."""

    def make_output_name(self, path: str) -> str:
        """Return the file name of the output for the input at `path`."""

    def estimate_bytes(self, path: Path) -> int:
        """Return the bytes that a decoded file takes; 0 if memory does not grow with the file, or is unknown."""

    def prepare_file(self, path: Path, destination: Destination | None = None) -> ItemT:
        """Read a file, or the part of it that `run` needs; raises UnreadableFileError.

        Without `destination`, the translation is returned and not written.
        """

    def list_warnings(self, prepared_item: ItemT) -> Sequence[str]:
        """Return warnings about the translation of an item; equal reasons must give equal texts."""

    def run(self, batch: Sequence[ItemT], report_fraction: FractionCallback = ignore_fraction) -> Sequence[ResultT]:
        """Run the networks on files with the same `batch_key`; long work reports its finished fraction.

        Raises UnpairedError if these files cannot be translated.
        """

    def write(self, output: Path, prepared_item: ItemT, result: ResultT) -> Sequence[str]:
        """Write a result atomically and return further warnings. Raises UnpairedError, OSError."""

    def translate_object(self, x: Any, sample_rate_hz: int | None = None) -> Any:
        """Translate an object in memory, or one file, to the same type; raises UsageError for other types."""
