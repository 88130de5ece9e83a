"""Generated pictures: samples from noise, and interpolations between two pictures."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from unpaired.data.domain import DOMAIN_KEYS, Domain
from unpaired.data.paths import split_item_path
from unpaired.errors import UsageError, WorkError
from unpaired.media.image.crops import convert_crops_to_tensor, crop, load_scaled_image
from unpaired.media.image.image_grid import render_image_grid
from unpaired.media.image.image_io import from_network_values, write_image
from unpaired.media.image.settings import WRITTEN_FORMATS, image_settings, image_statistics
from unpaired.media.image.translation_range import get_value_range
from unpaired.methods import METHODS
from unpaired.methods.base import Method
from unpaired.methods.capabilities import EncoderDecoderMethod, SamplingMethod
from unpaired.translate.translator import Translator

CapabilityT = TypeVar("CapabilityT", bound=Method)
SAMPLE_BATCH_SIZE = 16
"""Batch size of the networks."""
GRID_COLUMNS = 16
"""Pictures per row of a grid of samples."""


def sample_files(
    translator: Translator,
    count: int,
    out: str | os.PathLike[str],
    *,
    seed: int = 0,
    overwrite: bool = False,
) -> list[Path]:
    """Write `count` joint samples to `out`/DOMAIN/0000.png ..., and the grid `out`/sheet.png; returns the paths.

    Pictures with the same name belong to one joint sample. Those that are neither gray nor RGB are .tif files. Raises
    UsageError if the run's method cannot generate from noise (lists those that can), or if files exist and `overwrite`
    is false; WorkError if `out` cannot be written.
    """
    if count < 1:
        raise UsageError(f"--n {count}: expected 1 or more")
    method = _require_capability(translator, SamplingMethod, "generate pictures from noise")  # type: ignore[type-abstract]
    random_generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        sample_batches = [
            method.sample(min(SAMPLE_BATCH_SIZE, count - done), random_generator)
            for done in range(0, count, SAMPLE_BATCH_SIZE)
        ]
    images_by_domain = {
        key: torch.cat([sample_batch[key].float().cpu() for sample_batch in sample_batches])
        for key in sample_batches[0]
    }
    domains = {key: translator.config.get_domain(key) for key in images_by_domain}
    rows = [
        (domains[key].name, images_by_domain[key][start : start + GRID_COLUMNS])
        for start in range(0, count, GRID_COLUMNS)
        for key in images_by_domain
    ]
    return _write_images(translator, Path(out), images_by_domain, rows, (), overwrite)


def interpolate_files(
    translator: Translator,
    ends: tuple[str | os.PathLike[str], str | os.PathLike[str]],
    sources: tuple[str, str],
    out: str | os.PathLike[str],
    *,
    steps: int = 8,
    overwrite: bool = False,
) -> list[Path]:
    """Interpolate linearly between the latent codes of two pictures and decode each code in every domain.

    `sources` are the domains of the two pictures, of which the center square is used, as in training. If `out` is a
    picture's name, the result is one grid with a row per domain and `steps` columns. Otherwise `out` is a folder for
    the grid and each single picture (DOMAIN/0000.png ...). Returns the paths.

    Raises UsageError if the run's method has no latent codes (lists those that have), a picture or domain does not
    exist, or files exist and `overwrite` is false; UnreadableFileError for damaged pictures.
    """
    if steps < 2:
        raise UsageError(f"--steps {steps}: expected 2 (the two ends only) or more")
    method = _require_capability(translator, EncoderDecoderMethod, "interpolate (it has no latent codes)")  # type: ignore[type-abstract]
    config = translator.config
    settings = image_settings(config)
    codes = []
    with torch.no_grad():
        for end, name in zip(map(Path, ends), sources, strict=True):
            key = config.find_key(name)
            if not split_item_path(end)[0].exists():
                raise UsageError(f"{end}: no such file")
            scaled_image = load_scaled_image(end, config.get_domain(key), settings, training=False)
            x = convert_crops_to_tensor(crop(scaled_image, settings.size)[None]).to(translator.device)
            codes.append(method.encode(x, key))
        interpolated_codes = torch.cat([torch.lerp(codes[0], codes[1], i / (steps - 1)) for i in range(steps)])
        keys = DOMAIN_KEYS[: len(config.domains)]
        images_by_domain = {
            key: _run_in_batches(partial(method.decode, domain=key), interpolated_codes) for key in keys
        }
    rows = [(config.get_domain(key).name, images) for key, images in images_by_domain.items()]
    first, last = (f"{Path(end).name} ({name})" for end, name in zip(ends, sources, strict=True))
    column_labels = [first, *[""] * (steps - 2), last]
    return _write_images(translator, Path(out), images_by_domain, rows, column_labels, overwrite)


def _require_capability(translator: Translator, capability: type[CapabilityT], action: str) -> CapabilityT:
    """Return the run's method if it has the capability; raises UsageError that lists the methods that have it."""
    method = translator.method
    if isinstance(method, capability):
        return method
    capable_methods = ", ".join(row.name for row in METHODS.values() if issubclass(row.cls, capability))
    raise UsageError(
        f"this run's method {translator.config.method} cannot {action}; use a run of one of: {capable_methods}"
    )


def _run_in_batches(net: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return torch.cat([net(part).float().cpu() for part in x.split(SAMPLE_BATCH_SIZE)])


def _write_images(
    translator: Translator,
    out: Path,
    images_by_domain: dict[str, Tensor],
    rows: Sequence[tuple[str, Tensor]],
    column_labels: Sequence[str],
    overwrite: bool,
) -> list[Path]:
    """Write the grid, and unless `out` is a picture's name, each picture; returns the paths."""
    is_grid_only = out.suffix.lower() in WRITTEN_FORMATS
    grid_path = out if is_grid_only else out / "sheet.png"
    image_by_path: dict[Path, tuple[Domain, Tensor]] = {}
    for key, images in images_by_domain.items() if not is_grid_only else ():
        domain = translator.config.get_domain(key)
        suffix = ".tif" if image_settings(translator.config).reads_all_bands else ".png"
        image_by_path |= {out / domain.name / f"{i:04}{suffix}": (domain, x) for i, x in enumerate(images)}
    existing_paths = [path for path in (grid_path, *image_by_path) if path.exists()]
    if existing_paths and not overwrite:
        raise UsageError(f"{existing_paths[0]}: exists; choose another --out, or replace it with --overwrite")
    try:
        for path in (grid_path, *image_by_path):
            path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkError(f"{out}: cannot be written ({error})") from error
    for path, (domain, x) in image_by_path.items():
        statistics, settings = image_statistics(domain), image_settings(translator.config)
        is_color = statistics.color and settings.num_channels == 3
        bits = 16 if statistics.bits == 16 and not is_color else 8
        bits = statistics.bits if settings.reads_all_bands else bits
        low, high = get_value_range(None, domain, bits)
        write_image(path, from_network_values(x.numpy(), low, high, is_color), bits=bits)
    write_image(grid_path, render_image_grid(rows, column_labels))
    return [*image_by_path, grid_path]
