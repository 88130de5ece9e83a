"""A trained model, ready to translate: pictures in, pictures of the same kind out."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypedDict, Unpack, get_args, overload

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from unpaired.devices import pick_device
from unpaired.errors import UsageError, WorkError
from unpaired.media.image import Floats, Picture, from_tensor, probe, read, to_tensor, without_white
from unpaired.methods.game import Labelled, Method
from unpaired.runs.config import RunConfig
from unpaired.runs.folder import Which, load_model
from unpaired.runs.weights import digest, owned
from unpaired.translate.framing import WHOLE, Frame, frame, through
from unpaired.translate.kinds import Array, array_of, array_of_image, image_of, picture_of
from unpaired.translate.way import Mode, Options, Range, Scale, Way, find_way
from unpaired.translate.wish import Vector


@dataclass(frozen=True, eq=False)
class Prepared:
    """A picture on its way: what the networks take `(C, *frame.outer)`, and what the result keeps of the input.

    `label` (L,) is what a method that is told by labels is to make of it, NaN for what stays; else None.
    """

    tensor: Tensor
    frame: Frame
    alpha: Floats | None
    color: bool
    bits: int
    label: Vector | None = None

    @property
    def alike(self) -> tuple[object, ...]:
        """What pictures that are translated together have in common."""
        return self.frame.outer, str(self.label)


class How(TypedDict, total=False):
    """The fields of `Options` as keywords."""

    mode: Mode
    scale: Scale
    source_range: Range | None
    target_range: Range | None
    labels: Path | None


class Translator:
    """A trained model that translates files, Pillow images, arrays and tensors.

    `config` is the run's, `method` has its roles loaded; `device` is auto, cpu, cuda, cuda:1, mps ... (UsageError where
    there is no such device). Pictures of more than 8 bits are computed in full float32, others in what the device takes
    for it (TF32).
    """

    def __init__(self, config: RunConfig, method: Method, device: str = "auto") -> None:
        self.config = config
        self.device = pick_device(device)
        self.method = method.requires_grad_(False).eval().to(self.device)

    @classmethod
    def load(cls, run: str | os.PathLike[str], checkpoint: Which | None = None, device: str = "auto") -> Translator:
        """The model of a run's folder: its `checkpoint` "last" or "best"; None takes the best where there is one.

        Raises UsageError where `run` is no run or has no such checkpoint, WorkError where its files are damaged.
        """
        if checkpoint not in (None, *get_args(Which)):
            raise UsageError(f"checkpoint '{checkpoint}'; expected {' or '.join(get_args(Which))}")
        model = load_model(Path(run), checkpoint)
        return cls(model.config, model.method, device)

    @property
    def domains(self) -> tuple[str, ...]:
        """The names of the domains that the model knows."""
        return tuple(domain.name for domain in self.config.domains)

    @property
    def routes(self) -> tuple[tuple[str, str], ...]:
        """The translations that the model offers, as names of source and target."""
        name = self.config.domain
        return tuple((name(r.source).name, name(r.target).name) for r in self.method.routes)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the translating networks' weights."""
        weights = owned(self.method, self.method.translators)
        return digest({name: tensor.cpu() for name, tensor in weights.items()}, {})

    def way(self, to: str | None = None, source: str | None = None, options: Options | None = None) -> Way:
        """The one translation to domain `to` (from `source`); raises UsageError where there is none, or several."""
        return find_way(self.config, self.method, to, source, options)

    @overload
    def __call__(
        self,
        x: str | os.PathLike[str] | Image.Image,
        to: str | None = None,
        source: str | None = None,
        **how: Unpack[How],
    ) -> Image.Image: ...

    @overload
    def __call__(self, x: Array, to: str | None = None, source: str | None = None, **how: Unpack[How]) -> Array: ...

    @overload
    def __call__(self, x: Tensor, to: str | None = None, source: str | None = None, **how: Unpack[How]) -> Tensor: ...

    def __call__(
        self,
        x: str | os.PathLike[str] | Image.Image | Array | Tensor,
        to: str | None = None,
        source: str | None = None,
        **how: Unpack[How],
    ) -> Image.Image | Array | Tensor:
        """Translate `x` to domain `to`, which may be left out where the model has one route.

        `source` names the domain of `x` where several lead to `to`; `mode`, `scale`, `source_range` and `target_range`
        are those of `Options`.

        - a path or Pillow image gives a Pillow image of the same size, its alpha kept;
        - an array (H, W) or (H, W, C) gives an array of the same type: uint8, uint16, or floating point with values in
          0..1 unless the domain's pictures are floating point themselves; with 2 or 4 channels the last is alpha;
          (H, W) gives (H, W, 3) where the target has colour;
        - a tensor (C, H, W) or (B, C, H, W) in [-1, 1], C the model's channels, gives one of the same shape.

        Raises UsageError for what cannot be translated or is unknown, UnreadableFile for a damaged file. Warns where a
        result was enlarged more than twofold, or a picture is so large that it was translated in tiles.
        """
        way = self.way(to, source, Options(**how))
        if isinstance(x, Tensor):
            return self._tensor(x, way)
        if isinstance(x, np.ndarray):
            return self._array(x, way)
        if isinstance(x, Image.Image):
            picture = picture_of(array_of_image(x))
            item = self.prepare(picture, picture.color, way)
        else:
            item = self.prepare_file(Path(x), way)
        wide = not item.color and item.alpha is None
        return image_of(self._one(item, way, item.bits if wide else 8))

    def prepare_file(self, path: Path, way: Way) -> Prepared:
        """Read a picture for `run`; raises UnreadableFile. Safe in threads."""
        facts = probe(path)
        picture = read(path, way.size if way.shrink else None)
        item = self.prepare(picture, facts.color, way, (facts.height, facts.width))
        return item if way.wish is None else replace(item, label=way.wish.of(path))

    def prepare(self, picture: Picture, holds_color: bool, way: Way, size: tuple[int, int] | None = None) -> Prepared:
        """Make a picture ready for `run`; `size` is the result's height and width where the picture came smaller."""
        height, width = size or picture.pixels.shape[:2]
        framed = frame(height, width, way.size, way.shrink, self.method.stride)
        x = to_tensor(picture, self.config.channels, *way.source_range(picture))
        label = None if way.wish is None else way.wish.label
        return Prepared(framed.enter(x[None])[0], framed, picture.alpha, way.color(holds_color), picture.bits, label)

    def run(self, batch: Sequence[Prepared], way: Way) -> list[Tensor]:
        """Translate pictures that are `alike` together; returns (C, *frame.outer) in [-1, 1] each, on the CPU."""
        exact = any(item.bits > 8 for item in batch)
        return list(self._through(torch.stack([item.tensor for item in batch]), way, exact, batch[0].label))

    def finish(self, item: Prepared, y: Tensor, way: Way, bits: int) -> Floats:
        """Raw values (H, W, 1 or 3) of the result at the input's size, for `bits` per channel. Safe in threads."""
        y = item.frame.leave(y[None])[0]
        if item.alpha is not None:
            y = without_white(y, item.alpha)
        return from_tensor(y, *way.target_range(bits), item.color)

    def _one(self, item: Prepared, way: Way, bits: int) -> Array:
        _warn(notices(item.frame, way))
        (y,) = self.run([item], way)
        return array_of(self.finish(item, y, way, bits), item.alpha, bits)

    def _array(self, array: Array, way: Way) -> Array:
        picture = picture_of(array)
        out = self._one(self.prepare(picture, picture.color, way), way, picture.bits).astype(array.dtype, copy=False)
        return out[..., 0] if array.ndim == 2 and out.shape[2] == 1 else out

    def _tensor(self, x: Tensor, way: Way) -> Tensor:
        channels = self.config.channels
        if x.ndim not in (3, 4) or x.shape[-3] != channels or 0 in x.shape or not x.is_floating_point():
            raise UsageError(
                f"a tensor of shape {tuple(x.shape)} and {x.dtype}; expected floating point "
                f"({channels}, H, W) or (B, {channels}, H, W)"
            )
        low, high = x.min().item(), x.max().item()
        if not -1.01 <= low <= high <= 1.01:
            raise UsageError(f"a tensor with values from {low:g} to {high:g}; expected -1 to 1")
        framed = frame(x.shape[-2], x.shape[-1], way.size, way.shrink, self.method.stride)
        _warn(notices(framed, way))
        batch = x.detach().float().reshape(-1, *x.shape[-3:])
        label = None if way.wish is None else way.wish.label
        return framed.leave(self._through(framed.enter(batch), way, True, label)).to(x.dtype).reshape(x.shape)

    def _through(self, x: Tensor, way: Way, exact: bool, label: Vector | None) -> Tensor:
        """(B, C, H, W) of network shape -> the same, where `x` is; few enough at once for their pixels to fit."""
        most = max(1, WHOLE // (x.shape[-2] * x.shape[-1]))
        with torch.no_grad(), _float32(self.device) if exact else nullcontext():
            return torch.cat([self._fitting(part, way, label) for part in x.split(most)])

    def _fitting(self, x: Tensor, way: Way, label: Vector | None) -> Tensor:
        """The batch through the method, in halves where the device's memory does not hold it."""

        def net(part: Tensor) -> Tensor:
            part = part.to(self.device)
            if label is not None and isinstance(self.method, Labelled):
                return self.method.become(part, torch.tensor(label)).float()
            return self.method.translate(part, way.route.source, way.route.target).float()

        try:
            return through(net, x, self.method.stride, WHOLE).to(x.device)
        except torch.OutOfMemoryError as error:
            if len(x) == 1:
                raise WorkError(
                    f"{self.device} has too little memory for {x.shape[-1]} x {x.shape[-2]} pixels; --device cpu takes "
                    "main memory, --scale trained (where the run was framed so) smaller pictures"
                ) from error
        return torch.cat([self._fitting(part, way, label) for part in x.split((len(x) + 1) // 2)])


def notices(framed: Frame, way: Way) -> list[str]:
    """What a user should know of how a picture was translated, in words; the same words for the same reason."""
    said = []
    if framed.enlarges > 2:
        said.append(
            f"the networks see pictures at the {way.size} px that they learned, so larger results are enlarged (some "
            "more than twofold) and look soft; --scale native translates pictures at their own scale"
        )
    if framed.outer[0] * framed.outer[1] > WHOLE:
        said.append(
            "pictures too large for the networks at once are translated in overlapping tiles, which may differ a "
            "little in contrast"
        )
    return said


def _warn(said: list[str]) -> None:
    for text in said:
        warnings.warn(text, stacklevel=4)


def _float32(device: torch.device) -> AbstractContextManager[Any]:
    """Full float32: convolutions on CUDA otherwise take TF32, whose 10 bits would be seen in 16-bit pictures."""
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False) if device.type == "cuda" else nullcontext()
