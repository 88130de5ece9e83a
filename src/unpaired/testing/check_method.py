"""The check of a method from outside of this package."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from unpaired.labels import LabelGroup, Labels
from unpaired.methods.base import Method
from unpaired.methods.registry import MethodInfo
from unpaired.testing.method_checks import check_players, check_routes, check_training, check_translation
from unpaired.testing.tiny_methods import (
    IMAGE_SIZE,
    VOICE_SHAPE,
    build_image_method,
    build_voice_method,
    create_batches,
)

JOINT_LABELS = Labels(
    groups=(
        LabelGroup(values=("black", "blond", "brown")),
        LabelGroup(values=("glasses",)),
        LabelGroup(values=("happy", "sad")),
    ),
    dataset_groups=((0, 1), (2,)),
)
"""Attributes in several groups, from two data sets with different groups."""
_DISTANCE = 0.1
"""Distance of the domains' intensities, for settings that are decided by it."""


def check_method(info: MethodInfo, **settings: Any) -> None:
    """Check a method with small networks on random items, in float64 on the CPU. Takes seconds.

    It is checked for each medium that it supports, with `settings` and with those of each of its presets: each
    parameter of a turn's players gets a gradient and no other does; `loss_weights` names the losses; routes name their
    networks; a translation keeps shape and range, is deterministic and does not depend on other items. The method's
    class must have a docstring, and each setting a default.

    Raises AssertionError, which says what is wrong.
    """
    _check_declaration(info)
    for medium, build, shape in (
        ("image", build_image_method, (3, IMAGE_SIZE, IMAGE_SIZE)),
        ("voice", build_voice_method, VOICE_SHAPE),
    ):
        if medium in info.unsupported:
            continue
        for name, variant in _list_variants(info.cls, medium, settings):
            try:
                _check_variant(info.cls, build, shape, variant)
            except AssertionError as error:
                raise AssertionError(f"method '{info.name}', {medium}, {name}: {error}") from None


def _check_declaration(info: MethodInfo) -> None:
    if not info.cls.__doc__:
        raise AssertionError(f"method '{info.name}': {info.cls.__name__} has no docstring; it should name the paper")
    settings = {key: value for key, value in inspect.signature(info.cls).parameters.items() if key != "net"}
    missing = [key for key, value in settings.items() if value.default is inspect.Parameter.empty]
    if missing:
        raise AssertionError(f"method '{info.name}': settings without a default: {', '.join(missing)}")
    for preset, values in info.cls.presets.items():
        if unknown := values.keys() - settings.keys():
            raise AssertionError(f"method '{info.name}': preset {preset} has unknown settings: {', '.join(unknown)}")


def _list_variants(cls: type[Method], medium: str, settings: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name and the settings of each variant to check."""
    yield "given settings", settings
    for preset, values in [*cls.presets.items(), *cls.media_presets.get(medium, {}).items()]:
        yield f"preset {preset}", cls.resolve_settings({**values, **settings}, lambda: _DISTANCE)


def _check_variant(
    cls: type[Method], build: Callable[..., Method], shape: tuple[int, ...], settings: dict[str, Any]
) -> None:
    if cls.batch_kind == "labelled" and build is build_image_method:
        settings = settings | {"labels": JOINT_LABELS}
    method = build(cls, **settings)
    check_players(method)
    check_training(method, create_batches(method, max(2, method.turn_period), shape=shape))
    x = _create_items(shape)
    check_translation(build(cls, **settings), x, None if build is build_voice_method else 1.0)
    check_routes(build(cls, **settings), x)


def _create_items(shape: tuple[int, ...]) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.rand(2, *shape, generator=generator, dtype=torch.float64) * 2 - 1
