"""Pass of pictures through the networks of one route, in batches. Imports no torch, which files do without."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from unpaired.console import FractionCallback, ignore_fraction
from unpaired.errors import UsageError, WorkError
from unpaired.media.image.image_io import FloatArray
from unpaired.media.image.settings import ImageTranslateOptions
from unpaired.memory import read_available_bytes
from unpaired.translate.network import LabelVector, TensorNetwork, TranslationNetwork
from unpaired.translate.route_request import TranslationRequest

if TYPE_CHECKING:
    from unpaired.media.image.tiled_pass import TiledPass

MAX_NETWORK_PIXELS = 2**21
"""Maximum pixels of a batch of several pictures, enough for full HD: about 2 GB with the paper's generator."""
WHOLE_BYTES_PER_PIXEL = 1000
"""Memory of a pass over a whole picture by networks whose memory is not measured: that of the paper's generator."""


class NetworkPass(ABC):
    """Translation of arrays by the route of `request`."""

    obstacle = ""
    """Name of the operation that makes tiles differ from the whole picture; empty if there is none."""

    def __init__(self, network: TranslationNetwork, request: TranslationRequest) -> None:
        assert isinstance(request.options, ImageTranslateOptions)
        self.tile, self.stride, self.route = request.options.tile, network.stride, request.route
        self._notes: list[str] = []

    def apply(
        self,
        x: FloatArray,
        full_precision: bool,
        label: LabelVector | None,
        report_fraction: FractionCallback = ignore_fraction,
    ) -> FloatArray:
        """Translate (B, C, H, W) in batches of at most `MAX_NETWORK_PIXELS`; raises WorkError if memory is short."""
        size = max(1, MAX_NETWORK_PIXELS // (x.shape[-2] * x.shape[-1]))
        parts = [x[start : start + size] for start in range(0, len(x), size)]
        return np.concatenate([self._apply_batch(part, full_precision, label, report_fraction) for part in parts])

    @abstractmethod
    def _apply_batch(
        self, x: FloatArray, full_precision: bool, label: LabelVector | None, report_fraction: FractionCallback
    ) -> FloatArray:
        """Translate a batch of at most `MAX_NETWORK_PIXELS`, or a single picture."""

    @abstractmethod
    def choose_tile(self, height: int, width: int) -> int | None:
        """Return the side of the tiles for a picture of this size; None: it passes the networks as a whole."""

    def explain_tile(self, height: int, width: int) -> str:  # noqa: ARG002
        """Explain that tiles were chosen for a picture of this size by the free memory; empty if they were not."""
        return ""

    def take_notes(self) -> tuple[str, ...]:
        """Return the notes on pictures that were translated since the last call, such as tiles that were halved."""
        notes, self._notes = self._notes, []
        return tuple(dict.fromkeys(notes))

    def as_tiled(self) -> TiledPass | None:
        """Return this pass if it can translate pictures in tiles, else None."""
        return None


class WholePass(NetworkPass):
    """Pass of whole pictures, for networks that cannot be divided into operations on tiles, as those of files.

    A picture that probably exceeds the memory is refused before the pass, since the system might end the process.
    """

    def __init__(self, network: TranslationNetwork, request: TranslationRequest) -> None:
        super().__init__(network, request)
        self.network = network
        if isinstance(self.tile, int):
            raise UsageError(
                f"--tile {self.tile}: an exported network translates whole pictures; leave out --tile, or translate "
                "with the run"
            )

    def choose_tile(self, height: int, width: int) -> None:
        """Return None."""

    def _apply_batch(
        self,
        x: FloatArray,
        full_precision: bool,
        label: LabelVector | None,
        report_fraction: FractionCallback,  # noqa: ARG002 - the pass is one call
    ) -> FloatArray:
        height, width = x.shape[-2:]
        if len(x) == 1 and self.tile == "auto":
            require_memory(height, width)
        return self.network.translate(x, self.route, label, full_precision)


def require_memory(height: int, width: int) -> None:
    """Raise WorkError if a whole picture of this size probably needs more than the free memory."""
    need, available = height * width * WHOLE_BYTES_PER_PIXEL, read_available_bytes()
    if height * width <= MAX_NETWORK_PIXELS or (available is not None and need <= available):
        return
    free = "the free memory is unknown" if available is None else f"{available / 1e9:.1f} GB are free"
    raise WorkError(
        f"an exported network translates whole pictures, and one of {width} x {height} pixels may need "
        f"{need / 1e9:.1f} GB, but {free}; translate with the run, which uses tiles, give a smaller picture, or "
        "try it with --tile off"
    )


def create_network_pass(network: TranslationNetwork, channels: int, request: TranslationRequest) -> NetworkPass:
    """Return the pass with tiles where the network can do that, else of whole pictures."""
    if isinstance(network, TensorNetwork):
        from unpaired.media.image.tiled_pass import TiledPass  # noqa: PLC0415 - imports torch

        return TiledPass(network, channels, request)
    return WholePass(network, request)
