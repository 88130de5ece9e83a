"""Pages of a result, kept in a temporary file until all are computed and can be written."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from unpaired.errors import WorkError
from unpaired.temporary_files import find_temporary_folder

Array = npt.NDArray[Any]


class PageSpool:
    """Sequence of arrays in a temporary file, which is deleted when the object is closed or collected."""

    def __init__(self) -> None:
        self._folder = find_temporary_folder()
        self._pages: list[tuple[int, tuple[int, ...], np.dtype[Any]]] = []
        self._end = 0
        try:
            self._file = tempfile.TemporaryFile(prefix="unpaired-", dir=self._folder)  # noqa: SIM115 - see `close`
        except OSError as error:
            raise self._explain(error) from error
        weakref.finalize(self, self._file.close)

    def __len__(self) -> int:
        return len(self._pages)

    @property
    def total_bytes(self) -> int:
        """Bytes of all pages."""
        return self._end

    def append(self, page: Array) -> None:
        """Append a page; raises WorkError if the disk is full."""
        try:
            self._file.seek(self._end)
            self._file.write(np.ascontiguousarray(page).data)
        except OSError as error:
            raise self._explain(error) from error
        self._pages.append((self._end, page.shape, page.dtype))
        self._end += page.nbytes

    def __iter__(self) -> Iterator[Array]:
        """Yield the pages in order; raises WorkError if they cannot be read."""
        for start, shape, dtype in self._pages:
            try:
                self._file.seek(start)
                data = self._file.read(int(np.prod(shape)) * dtype.itemsize)
            except OSError as error:
                raise self._explain(error) from error
            yield np.frombuffer(data, dtype).reshape(shape)

    def close(self) -> None:
        """Delete the temporary file."""
        self._file.close()

    def _explain(self, error: OSError) -> WorkError:
        return WorkError(f"temporary files in {self._folder} cannot be used ({error}); set TMPDIR to another folder")
