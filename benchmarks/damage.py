"""Damaged files from whole ones, by a seed: cut, bits flipped, headers exchanged, sizes that lie."""

from __future__ import annotations

import io
import random
import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import soundfile
import tifffile
from PIL import Image

Damage = Callable[[bytes, random.Random, Sequence[bytes]], bytes]


def make_pictures(seed: int = 0) -> dict[str, bytes]:
    """Small whole pictures: suffix and kind -> content."""
    noise = np.random.default_rng(seed)
    color = noise.integers(0, 255, (40, 48, 3), np.uint8)
    image = Image.fromarray(color)
    out = {}
    for name, image_format in (
        ("a.png", "PNG"),
        ("b.jpg", "JPEG"),
        ("c.webp", "WEBP"),
        ("d.bmp", "BMP"),
        ("e.gif", "GIF"),
    ):
        buffer = io.BytesIO()
        image.save(buffer, image_format)
        out[name] = buffer.getvalue()
    kinds: dict[str, dict[str, Any]] = {
        "f.tif": {"data": color, "photometric": "rgb"},
        "g.tif": {"data": color.astype(np.uint16) * 200, "photometric": "rgb", "compression": "zlib"},
        "h.tif": {"data": color.astype(np.float32), "photometric": "rgb", "tile": (16, 16), "compression": "zlib"},
        "i.tif": {"data": noise.integers(0, 255, (3, 40, 48), np.uint8), "photometric": "minisblack"},
    }
    for name, options in kinds.items():
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, **options)
        out[name] = buffer.getvalue()
    return out


def make_recordings(seed: int = 0) -> dict[str, bytes]:
    """Short whole recordings: suffix and kind -> content."""
    noise = np.random.default_rng(seed)
    time = np.arange(8000) / 16000
    mono = (0.3 * np.sin(2 * np.pi * 220 * time) + 0.05 * noise.standard_normal(len(time))).astype(np.float32)
    stereo = np.stack([mono, np.roll(mono, 99)], 1)
    out = {}
    for name, sound, container, subtype in (
        ("a.wav", mono, "WAV", "PCM_16"),
        ("b.wav", stereo, "WAV", "FLOAT"),
        ("c.wav", mono, "WAV", "IMA_ADPCM"),
        ("d.flac", stereo, "FLAC", "PCM_16"),
        ("e.ogg", mono, "OGG", "VORBIS"),
        ("f.opus", mono, "OGG", "OPUS"),
        ("g.mp3", mono, "MP3", "MPEG_LAYER_III"),
        ("h.aiff", stereo, "AIFF", "PCM_16"),
        ("i.caf", mono, "CAF", "PCM_16"),
        ("j.au", mono, "AU", "PCM_16"),
    ):
        buffer = io.BytesIO()
        soundfile.write(buffer, sound, 16000, format=container, subtype=subtype)
        out[name] = buffer.getvalue()
    return out


def cut(data: bytes, chance: random.Random, _: Sequence[bytes]) -> bytes:
    """The beginning of a file."""
    return data[: chance.randrange(len(data))]


def flip(data: bytes, chance: random.Random, _: Sequence[bytes]) -> bytes:
    """Some bits flipped, anywhere."""
    damaged = bytearray(data)
    for _i in range(chance.choice((1, 3, 30))):
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def flip_header(data: bytes, chance: random.Random, _: Sequence[bytes]) -> bytes:
    """Some bits flipped among the first bytes."""
    damaged = bytearray(data)
    for _i in range(chance.choice((1, 2, 5))):
        damaged[chance.randrange(min(100, len(damaged)))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def exchange_header(data: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    """The beginning of another file before the rest of this one."""
    count = chance.choice((4, 12, 44, 128))
    return chance.choice(others)[:count] + data[count:]


def lie(data: bytes, chance: random.Random, _: Sequence[bytes]) -> bytes:
    """A number among the first bytes replaced by a very large or a very small one."""
    damaged = bytearray(data)
    form, values = chance.choice(
        (("<I", (0, 1, 0x7FFFFFFF, 0xFFFFFFFF)), (">I", (0, 1, 0x7FFFFFFF)), ("<H", (0, 0xFFFF)))
    )
    offset = chance.randrange(min(200, len(damaged) - 4))
    struct.pack_into(form, damaged, offset, chance.choice(values))
    return bytes(damaged)


def splice(data: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    """A piece of another file within this one."""
    at, other = chance.randrange(len(data)), chance.choice(others)
    start = chance.randrange(len(other))
    return data[:at] + other[start : start + chance.randrange(1, 2000)] + data[at:]


DAMAGES: tuple[Damage, ...] = (cut, flip, flip_header, exchange_header, lie, splice)


def damage_files(files: dict[str, bytes], count: int, seed: int) -> list[tuple[str, bytes]]:
    """`count` damaged files, (name, content): every file and every kind of damage in turn."""
    chance = random.Random(seed)
    contents = list(files.values())
    out = []
    for i in range(count):
        name = list(files)[i % len(files)]
        damage = DAMAGES[i // len(files) % len(DAMAGES)]
        out.append((f"{damage.__name__}-{i:05}-{name}", damage(files[name], chance, contents)))
    return out
