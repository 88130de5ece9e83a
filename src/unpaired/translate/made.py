"""Pictures that no input file has: draws from noise, and what lies between two pictures."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from unpaired.data.domain import KEYS, Domain
from unpaired.data.frame import cut, load, tensor
from unpaired.errors import UsageError, WorkError
from unpaired.media.image import from_tensor, write
from unpaired.media.suffixes import PICTURES
from unpaired.methods import METHODS
from unpaired.methods.game import Method
from unpaired.methods.kinds import Coding, Sampling
from unpaired.translate.pictures import range_of
from unpaired.translate.sheet import sheet
from unpaired.translate.translator import Translator

Kind = TypeVar("Kind", bound=Method)
CHUNK = 16
"""Items made at once."""
COLUMNS = 16
"""Pictures in a row of a sheet of samples."""


def sample_files(
    translator: Translator,
    count: int,
    out: str | os.PathLike[str],
    *,
    seed: int = 0,
    overwrite: bool = False,
) -> list[Path]:
    """Write `count` joint samples: `out`/DOMAIN/0000.png ... for every domain, and `out`/sheet.png; returns the paths.

    Equal names belong together. Raises UsageError where the run's method makes nothing from noise (names those that
    do), or files are there already and `overwrite` is not given; WorkError where `out` cannot be written.
    """
    if count < 1:
        raise UsageError(f"n {count}; expected 1 or more")
    method = _of_kind(translator, Sampling, "make pictures from noise")  # type: ignore[type-abstract]
    draws = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        parts = [method.sample(min(CHUNK, count - done), draws) for done in range(0, count, CHUNK)]
    made = {key: torch.cat([part[key].float().cpu() for part in parts]) for key in parts[0]}
    domains = {key: translator.config.domain(key) for key in made}
    rows = [
        (domains[key].name, made[key][start : start + COLUMNS]) for start in range(0, count, COLUMNS) for key in made
    ]
    return _write(translator, Path(out), made, rows, (), overwrite)


def interpolate_files(
    translator: Translator,
    ends: tuple[str | os.PathLike[str], str | os.PathLike[str]],
    sources: tuple[str, str],
    out: str | os.PathLike[str],
    *,
    steps: int = 8,
    overwrite: bool = False,
) -> list[Path]:
    """Write what lies between two pictures: codes on the straight line between theirs, decoded in every domain.

    `sources` are the domains of the two. They are seen as in training (the centre square). `out` is a picture's name,
    for a sheet with a row for each domain and `steps` columns from one end to the other; or else a folder, for the
    sheet and every picture alone (DOMAIN/0000.png ...). Returns the paths.

    Raises UsageError where the run's method has no codes (names those that do), a picture or domain does not exist, or
    files are there already and `overwrite` is not given; UnreadableFile for damaged pictures.
    """
    if steps < 2:
        raise UsageError(f"steps {steps}; expected 2 (the ends alone) or more")
    method = _of_kind(translator, Coding, "interpolate, for it has no codes")  # type: ignore[type-abstract]
    config = translator.config
    codes = []
    with torch.no_grad():
        for end, name in zip(map(Path, ends), sources, strict=True):
            key = config.key(name)
            if not end.exists():
                raise UsageError(f"{end}: no such file")
            fitted = load(end, config.domain(key), config.data, config.channels, training=False)
            x = tensor(cut(fitted, config.data.size)[None]).to(translator.device)
            codes.append(method.encode(x, key))
        path = torch.cat([torch.lerp(codes[0], codes[1], i / (steps - 1)) for i in range(steps)])
        keys = KEYS[: len(config.domains)]
        made = {key: _chunked(lambda part, key=key: method.decode(part, key), path) for key in keys}  # type: ignore[misc]
    rows = [(config.domain(key).name, pictures) for key, pictures in made.items()]
    first, last = (f"{Path(end).name} ({name})" for end, name in zip(ends, sources, strict=True))
    words = [first, *[""] * (steps - 2), last]
    return _write(translator, Path(out), made, rows, words, overwrite)


def _of_kind(translator: Translator, kind: type[Kind], what: str) -> Kind:
    """The run's method, where it is of the kind; raises UsageError that names the methods which are."""
    method = translator.method
    if isinstance(method, kind):
        return method
    able = ", ".join(row.name for row in METHODS.values() if issubclass(row.cls, kind))
    raise UsageError(f"this run's method, {translator.config.method}, cannot {what}; those that can: {able}")


def _chunked(net: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return torch.cat([net(part).float().cpu() for part in x.split(CHUNK)])


def _write(
    translator: Translator,
    out: Path,
    made: dict[str, Tensor],
    rows: Sequence[tuple[str, Tensor]],
    columns: Sequence[str],
    overwrite: bool,
) -> list[Path]:
    """The sheet alone where `out` is a picture's name, else the folder of all pictures and the sheet."""
    alone = out.suffix.lower() in PICTURES
    page = out if alone else out / "sheet.png"
    pictures: dict[Path, tuple[Domain, Tensor]] = {}
    for key, batch in made.items() if not alone else ():
        domain = translator.config.domain(key)
        pictures |= {out / domain.name / f"{i:04}.png": (domain, x) for i, x in enumerate(batch)}
    there = [path for path in (page, *pictures) if path.exists()]
    if there and not overwrite:
        raise UsageError(f"{there[0]}: is there already; choose another --out, or --overwrite it")
    try:
        for path in (page, *pictures):
            path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkError(f"{out}: cannot be written ({error})") from error
    for path, (domain, x) in pictures.items():
        colored = domain.color and translator.config.channels == 3
        bits = 16 if domain.bits == 16 and not colored else 8
        write(path, from_tensor(x, *range_of(None, domain, bits), colored), bits=bits)
    write(page, sheet(rows, columns))
    return [*pictures, page]
