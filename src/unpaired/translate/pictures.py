"""Pictures through a model on one way: files, Pillow images, arrays and tensors in, of the same kind and size out."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from unpaired.data.domain import Domain
from unpaired.errors import UsageError, WorkError
from unpaired.media.image import Floats, Picture, from_tensor, probe, read, to_tensor, without_white, write
from unpaired.media.suffixes import Medium
from unpaired.methods.game import Method
from unpaired.methods.kinds import Labelled
from unpaired.runs.config import RunConfig
from unpaired.translate.framing import WHOLE, Frame, frame, through
from unpaired.translate.inputs import require
from unpaired.translate.kinds import TOP, Array, array_of, array_of_image, image_of, picture_of
from unpaired.translate.way import Range, Way
from unpaired.translate.wish import Vector


@dataclass(frozen=True, eq=False)
class Prepared:
    """A picture on its way: what the networks take `(C, *frame.outer)`, and what the result keeps of the input.

    `label` (L,) is what a method that is told by labels is to make of it, NaN for what stays; else None. `several`:
    its file has other pages or frames after it.
    """

    tensor: Tensor
    frame: Frame
    alpha: Floats | None
    color: bool
    bits: int
    label: Vector | None = None
    several: bool = False

    @property
    def alike(self) -> tuple[object, ...]:
        """What pictures that are translated together have in common."""
        return self.frame.outer, str(self.label)

    @property
    def weight(self) -> int:
        """Its pixels."""
        return self.frame.outer[0] * self.frame.outer[1]


class Pictures:
    """The craft of pictures. Those of more than 8 bits are computed in full float32, others in what the device takes
    for it (TF32).

    Networks see pictures with their shorter side `size`, without `shrink` only enlarged to it; None: as they are.
    """

    medium: Medium = "image"
    most_waiting = WHOLE

    def __init__(self, config: RunConfig, method: Method, device: torch.device, way: Way) -> None:
        self.method, self.device, self.way = method, device, way
        if way.guessed and way.options.source_range is None:
            _alike(config, method, way)
        self.channels: int = config.channels
        self.colored = way.target.color and config.channels == 3
        self.size = config.data.size if way.options.scale == "trained" else None
        self.shrink = config.data.framing == "scale"

    def recipe(self) -> list[object]:
        """Colour, framing and ranges."""
        options = self.way.options
        spans = [options.source_range, options.target_range]
        return [self.channels, self.colored, self.size, self.shrink, options.mode, spans]

    def named(self, name: str) -> str:
        """The same name."""
        return name

    def prepare_file(self, path: Path) -> Prepared:
        """Read a picture for `run`; raises UnreadableFile."""
        facts = probe(path)
        picture = read(path, self.size if self.shrink else None)
        item = replace(self.prepare(picture, facts.color, (facts.height, facts.width)), several=facts.several)
        wish = self.way.wish
        return item if wish is None else replace(item, label=wish.of(path))

    def prepare(self, picture: Picture, holds_color: bool, size: tuple[int, int] | None = None) -> Prepared:
        """Make a picture ready for `run`; `size` is the result's height and width where the picture came smaller."""
        height, width = size or picture.pixels.shape[:2]
        framed = frame(height, width, self.size, self.shrink, self.method.stride)
        x = to_tensor(picture, self.channels, *self._source_range(picture))
        color = holds_color if self.way.options.mode == "input" else self.colored
        return Prepared(framed.enter(x[None])[0], framed, picture.alpha, color, picture.bits, self._label)

    def notices(self, ready: Prepared) -> list[str]:
        """How the networks' frame shows in the result, and what of the file is not in it."""
        more = ["of files with several pages or frames only the first is translated"] if ready.several else []
        return self._notices(ready.frame) + more

    def run(self, batch: Sequence[Prepared]) -> list[Tensor]:
        """Translate pictures that are `alike` together; returns (C, *frame.outer) in [-1, 1] each, on the CPU."""
        exact = any(item.bits > 8 for item in batch)
        return list(self._through(torch.stack([item.tensor for item in batch]), exact, batch[0].label))

    def finish(self, item: Prepared, y: Tensor, bits: int) -> Floats:
        """Raw values (H, W, 1 or 3) of the result at the input's size, for `bits` per channel. Safe in threads."""
        y = item.frame.leave(y[None])[0]
        if item.alpha is not None:
            y = without_white(y, item.alpha)
        low, high = range_of(self.way.options.target_range, self.way.target, bits)
        if bits < 32 and not (low >= 0 and high <= TOP[bits]):
            raise UsageError(
                f"--target-range {low:g},{high:g}: a picture of {bits} bits holds 0 to {TOP[bits]:g}; give a range "
                "within that, or inputs of more bits"
            )
        return from_tensor(y, low, high, item.color)

    def write(self, output: Path, ready: Prepared, made: Tensor) -> tuple[str, ...]:
        """With the input's bits where the suffix holds them."""
        bits = kept_bits(output.suffix, ready)
        write(output, self.finish(ready, made, bits), ready.alpha, bits)
        return ()

    def one(self, x: Any, sample_rate_hz: int | None = None) -> Image.Image | Array | Tensor:
        """A picture in memory, or a file of one (see `Translator`)."""
        if sample_rate_hz is not None:
            raise UsageError("a sample rate belongs to recordings, but this run translates pictures")
        if isinstance(x, Tensor):
            return self._tensor(x)
        if isinstance(x, np.ndarray):
            return self._array(x)
        if isinstance(x, Image.Image):
            picture = picture_of(array_of_image(x))
            item = self.prepare(picture, picture.color)
        else:
            require(Path(x), self.medium)
            item = self.prepare_file(Path(x))
        wide = not item.color and item.alpha is None
        return image_of(self._alone(item, item.bits if wide else 8))

    @property
    def _label(self) -> Vector | None:
        return None if self.way.wish is None else self.way.wish.label

    def _source_range(self, picture: Picture) -> Range:
        """The raw values of `picture` that become -1 and 1; raises UsageError where they cannot be known."""
        given, source = self.way.options.source_range, self.way.source
        if picture.bits == 32:
            known = picture.pixels[np.isfinite(picture.pixels)]
            if not known.size:
                raise UsageError("a picture without one finite value; expected numbers")
            if given is None and source.bits != 32 and (known.min() < 0 or known.max() > 1):
                raise UsageError(
                    f"its values go from {known.min():g} to {known.max():g}, but '{source.name}' was learned from "
                    f"{source.bits}-bit pictures; expected 0 to 1, or the values of black and white "
                    "(--source-range LOW,HIGH)"
                )
        return range_of(given, source, picture.bits)

    def _alone(self, item: Prepared, bits: int) -> Array:
        _warn(self._notices(item.frame))
        (y,) = self.run([item])
        return array_of(self.finish(item, y, bits), item.alpha, bits)

    def _array(self, array: Array) -> Array:
        picture = picture_of(array)
        out = self._alone(self.prepare(picture, picture.color), picture.bits).astype(array.dtype, copy=False)
        return out[..., 0] if array.ndim == 2 and out.shape[2] == 1 else out

    def _tensor(self, x: Tensor) -> Tensor:
        channels = self.channels
        if x.ndim not in (3, 4) or x.shape[-3] != channels or 0 in x.shape or not x.is_floating_point():
            raise UsageError(
                f"a tensor of shape {tuple(x.shape)} and {x.dtype}; expected floating point "
                f"({channels}, H, W) or (B, {channels}, H, W)"
            )
        low, high = x.min().item(), x.max().item()
        if not -1.01 <= low <= high <= 1.01:
            raise UsageError(f"a tensor with values from {low:g} to {high:g}; expected -1 to 1")
        framed = frame(x.shape[-2], x.shape[-1], self.size, self.shrink, self.method.stride)
        _warn(self._notices(framed))
        batch = x.detach().float().reshape(-1, *x.shape[-3:])
        return framed.leave(self._through(framed.enter(batch), True, self._label)).to(x.dtype).reshape(x.shape)

    def _through(self, x: Tensor, exact: bool, label: Vector | None) -> Tensor:
        """(B, C, H, W) of network shape -> the same, where `x` is; few enough at once for their pixels to fit."""
        most = max(1, WHOLE // (x.shape[-2] * x.shape[-1]))
        with torch.no_grad(), _float32(self.device) if exact else nullcontext():
            return torch.cat([self._fitting(part, label) for part in x.split(most)])

    def _fitting(self, x: Tensor, label: Vector | None) -> Tensor:
        """The batch through the method, in halves where the device's memory does not hold it."""

        def net(part: Tensor) -> Tensor:
            part = part.to(self.device)
            if label is not None and isinstance(self.method, Labelled):
                return self.method.become(part, torch.tensor(label)).float()
            return self.method.translate(part, self.way.route.source, self.way.route.target).float()

        try:
            return through(net, x, self.method.stride, WHOLE).to(x.device)
        except torch.OutOfMemoryError as error:
            if len(x) == 1:
                raise WorkError(
                    f"{self.device} has too little memory for {x.shape[-1]} x {x.shape[-2]} pixels; --device cpu takes "
                    "main memory, --scale trained (where the run was framed so) smaller pictures"
                ) from error
        return torch.cat([self._fitting(part, label) for part in x.split((len(x) + 1) // 2)])

    def _notices(self, framed: Frame) -> list[str]:
        said = []
        if framed.enlarges > 2:
            said.append(
                f"the networks see pictures at the {self.size} px that they learned, so larger results are enlarged "
                "(some more than twofold) and look soft; --scale native translates pictures at their own scale"
            )
        if framed.outer[0] * framed.outer[1] > WHOLE:
            said.append(
                "pictures too large for the networks at once are translated in overlapping tiles, which may differ a "
                "little in contrast"
            )
        return said


def _alike(config: RunConfig, method: Method, way: Way) -> None:
    """Raise UsageError where values mean other things in the domains that the inputs may be of."""
    sources = [config.domain(r.source) for r in method.routes if r.target == way.route.target]
    if len({(domain.bits, domain.low, domain.high) for domain in sources}) > 1:
        names = " or ".join(domain.name for domain in sources)
        raise UsageError(f"the domains have values of different ranges; say of which the inputs are: --from {names}")


def kept_bits(suffix: str, prepared: Prepared) -> int:
    """Bits of a result: the input's where files of `suffix` hold them with its colour and alpha, else 8."""
    tiff = suffix.lower() in (".tif", ".tiff")
    png = suffix.lower() == ".png" and prepared.bits == 16 and not prepared.color and prepared.alpha is None
    return prepared.bits if tiff or png else 8


def range_of(given: Range | None, domain: Domain, bits: int) -> Range:
    """The override; else the domain's own range where the bits are its own; else all of the bits' range."""
    if given is not None:
        return given
    return (domain.low, domain.high) if bits == domain.bits else (0.0, TOP[bits])


def _warn(said: list[str]) -> None:
    for text in said:
        warnings.warn(text, stacklevel=5)


def _float32(device: torch.device) -> AbstractContextManager[Any]:
    """Full float32: convolutions on CUDA otherwise take TF32, whose 10 bits would be seen in 16-bit pictures."""
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False) if device.type == "cuda" else nullcontext()
