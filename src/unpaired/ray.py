"""Translation with Ray Data: `dataset.map_batches(Translate, fn_constructor_kwargs={...}, concurrency=n)`.

Imports neither Ray, which calls the class, nor torch, which exported models do without.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from unpaired.errors import UnpairedError, UnpairedWarning, UsageError
from unpaired.file_names import shorten_name
from unpaired.translate.batching import group_into_batches
from unpaired.translate.loading import load_translator
from unpaired.translate.pipeline import PipelineItem

if TYPE_CHECKING:
    from unpaired.runs.folder import Checkpoint

Column = npt.NDArray[Any]


class Translate:
    """Callable of Ray Data's `map_batches` that translates one column of a batch. An actor loads the weights once.

    `run` is the folder of a run, a file that `unpaired export` wrote, or `hf:user/name`; every worker must find it.
    `column` contains the inputs:

    - bytes: contents of files, as `ray.data.read_binary_files` gives them. The column `path` has their names;
    - str: paths of files, which every worker must find;
    - arrays, as for `Translator`: pictures (H, W) or (H, W, C), or waves (samples,) at `sample_rate_hz`.

    Other arguments are as for `Translator`. Files of equal network size are translated as one batch.

    Raises UsageError for an unsuitable run, route or option, WorkError if files of the run are damaged.
    """

    def __init__(
        self,
        run: str | os.PathLike[str],
        to: str | None = None,
        source: str | None = None,
        *,
        column: str = "bytes",
        checkpoint: Checkpoint | None = None,
        device: str = "auto",
        sample_rate_hz: int | None = None,
        **options: Any,
    ) -> None:
        translator = load_translator(run, checkpoint, device)
        self._pipeline = translator.create_pipeline(translator.resolve_request(to, source, options))
        self._column, self._sample_rate_hz = column, sample_rate_hz
        self._shown_warnings: set[str] = set()

    def __call__(self, batch: Mapping[str, Column]) -> dict[str, Column]:
        """Return the columns of a batch, and those of its translations.

        Arrays become arrays in the column `translation`. Of files, `translation` has the bytes of the file that
        `unpaired translate` writes, `translation_name` its name, and `error` the reason if it cannot be translated
        (then `translation` is empty), else an empty string.

        Raises UsageError if the column is missing, or has other values than bytes, strings and arrays.
        """
        if self._column not in batch:
            raise UsageError(f"column '{self._column}': not in the data; known: {', '.join(batch)}")
        values = batch[self._column]
        if not len(values):
            return dict(batch)
        if isinstance(values[0], np.ndarray):
            translations = [self._pipeline.translate_object(value, self._sample_rate_hz) for value in values]
            return {**batch, "translation": _make_column(translations)}
        with tempfile.TemporaryDirectory(prefix="unpaired-") as folder:
            paths = list(_find_files(self._column, values, batch.get("path"), Path(folder)))
            names = [self._pipeline.make_output_name(path.name) for path in paths]
            contents, errors = self._translate_files(paths, [Path(folder) / name for name in names])
        new_columns = {"translation": contents, "translation_name": names, "error": errors}
        return {**batch, **{name: np.array(column, dtype=object) for name, column in new_columns.items()}}

    def _translate_files(self, paths: list[Path], outputs: list[Path]) -> tuple[list[bytes], list[str]]:
        """Return the contents of the translated files, and the errors; `outputs` are temporary files."""
        contents, errors = [b""] * len(paths), [""] * len(paths)

        def prepare_items() -> Iterator[tuple[int, PipelineItem]]:
            for i, path in enumerate(paths):
                try:
                    yield i, self._pipeline.prepare_file(path)
                except UnpairedError as error:
                    errors[i] = _format_reason(error, path)

        for group in group_into_batches(prepare_items(), len(paths), self._pipeline.max_waiting_cost):
            try:
                results = self._pipeline.run([item for _, item in group])
            except UnpairedError as error:
                for i, _ in group:
                    errors[i] = _format_reason(error, paths[i])
                continue
            for (i, item), result in zip(group, results, strict=True):
                self._warn(self._pipeline.list_warnings(item))
                try:
                    self._warn(self._pipeline.write(outputs[i], item, result))
                    contents[i] = outputs[i].read_bytes()
                except (UnpairedError, OSError) as error:
                    errors[i] = _format_reason(error, outputs[i])
                outputs[i].unlink(missing_ok=True)
        return contents, errors

    def _warn(self, texts: Iterable[str]) -> None:
        """Warn once of each effect, not once per file."""
        for text in texts:
            if text not in self._shown_warnings:
                self._shown_warnings.add(text)
                warnings.warn(UnpairedWarning(text), stacklevel=4)


def _find_files(column: str, values: Column, names: Column | None, folder: Path) -> Iterator[Path]:
    """Yield the files of a column; contents are written to `folder`, each file in a folder of its own."""
    for i, value in enumerate(values):
        if isinstance(value, str):
            yield Path(value)
        elif isinstance(value, bytes):
            path = folder / f"input-{i}" / (shorten_name(Path(str(names[i])).name) if names is not None else "item")
            path.parent.mkdir()
            path.write_bytes(value)
            yield path
        else:
            raise UsageError(
                f"column '{column}': a value of type {type(value).__name__}; expected bytes, paths or arrays"
            )


def _format_reason(error: Exception, path: Path) -> str:
    """Return the text of an error without the path, which is a temporary one if the contents were given."""
    return str(error).removeprefix(f"{path}: ")


def _make_column(values: Sequence[Column]) -> Column:
    """Return arrays as one array if their shapes are equal, else as an array of objects."""
    if len({value.shape for value in values}) == 1:
        return np.stack(values)
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column
