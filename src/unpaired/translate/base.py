"""Base class of translators. Imports no torch, so that an exported model translates without it."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, overload

import numpy.typing as npt
from PIL import Image

from unpaired.config.model_description import ModelDescription
from unpaired.translate.network import TranslationNetwork
from unpaired.translate.pipeline import FilePipeline
from unpaired.translate.route_request import TranslationRequest, resolve_request

if TYPE_CHECKING:
    from torch import Tensor


class BaseTranslator(ABC):
    """A model that translates files and objects in memory: Pillow images, waves, arrays and tensors.

    `config` describes the model, `network` computes its translations.
    """

    config: ModelDescription
    network: TranslationNetwork

    @property
    def domains(self) -> tuple[str, ...]:
        """Names of the model's domains."""
        return tuple(domain.name for domain in self.config.domains)

    @property
    def routes(self) -> tuple[tuple[str, str], ...]:
        """Translations that the model offers, as names of source and target."""
        name = self.config.get_domain
        return tuple((name(r.source).name, name(r.target).name) for r in self.network.routes)

    @property
    @abstractmethod
    def weights_digest(self) -> str:
        """Digest of the networks' weights; part of what decides whether an existing translation is up to date."""

    def resolve_request(
        self, to: str | None = None, source: str | None = None, options: Mapping[str, Any] | None = None
    ) -> TranslationRequest:
        """Find the one translation to domain `to` (from `source`); raises UsageError if there is none or several."""
        return resolve_request(self.config, self.network, to, source, options)

    def create_pipeline(self, request: TranslationRequest) -> FilePipeline[Any, Any]:
        """Return the pipeline that translates files for a request; raises UsageError if it cannot."""
        return self.config.get_medium().create_pipeline(self.config, self.network, request)

    @overload
    def __call__(
        self, x: Image.Image, to: str | None = None, source: str | None = None, **options: Any
    ) -> Image.Image: ...

    @overload
    def __call__(
        self,
        x: str | os.PathLike[str],
        to: str | None = None,
        source: str | None = None,
        **options: Any,
    ) -> Any: ...

    @overload
    def __call__(
        self,
        x: npt.NDArray[Any],
        to: str | None = None,
        source: str | None = None,
        sample_rate_hz: int | None = None,
        **options: Any,
    ) -> npt.NDArray[Any]: ...

    @overload
    def __call__(self, x: Tensor, to: str | None = None, source: str | None = None, **options: Any) -> Tensor: ...

    def __call__(
        self,
        x: str | os.PathLike[str] | Image.Image | npt.NDArray[Any] | Tensor,
        to: str | None = None,
        source: str | None = None,
        sample_rate_hz: int | None = None,
        **options: Any,
    ) -> Any:
        """Translate `x` to domain `to`, which may be omitted if the model has only one route.

        `source` names the domain of `x` if several routes lead to `to`; `mode`, `scale`, `tile`, `source_range`,
        `target_range` and `labels` are as for `unpaired translate`. A run of pictures accepts

        - a path or Pillow image; returns a Pillow image of the same size with the same alpha; one of several pictures
          within a file is "stack.tif/0003";
        - an array (H, W) or (H, W, C); returns an array of the same type: uint8, uint16, or floating point with values
          in 0..1 unless the domain's pictures are floating point; with 2 or 4 channels the last one is alpha, unless
          the run's pictures have as many channels; (H, W) becomes (H, W, 3) if the target has color;
        - a tensor (C, H, W) or (B, C, H, W) in [-1, 1] with the model's channels; returns a tensor of the same shape.

        A run of recordings accepts

        - a path; returns a `Recording` with `.wave` (samples,), `.sample_rate_hz`, and `.save(path)`;
        - a wave (samples,), floating point in [-1, 1], with its `sample_rate_hz`; returns a wave of the same length and
          rate.

        Raises UsageError for unsupported objects and unknown names, UnreadableFileError for a damaged file. Warns if a
        result was enlarged more than twofold, a picture was translated in tiles that may differ in contrast, or a
        recording has a defect.
        """
        return self.create_pipeline(self.resolve_request(to, source, options)).translate_object(x, sample_rate_hz)
