"""Damaged copies of valid files, from a seed: truncated, bits flipped, headers exchanged, numbers corrupted."""

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
    """Return small valid images: file name -> content."""
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
    """Return short valid recordings: file name -> content."""
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


def cut(data: bytes, rng: random.Random, _: Sequence[bytes]) -> bytes:
    """Truncate a file at a random position."""
    return data[: rng.randrange(len(data))]


def flip(data: bytes, rng: random.Random, _: Sequence[bytes]) -> bytes:
    """Flip random bits."""
    damaged = bytearray(data)
    for _i in range(rng.choice((1, 3, 30))):
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def flip_header(data: bytes, rng: random.Random, _: Sequence[bytes]) -> bytes:
    """Flip random bits in the first 100 bytes."""
    damaged = bytearray(data)
    for _i in range(rng.choice((1, 2, 5))):
        damaged[rng.randrange(min(100, len(damaged)))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def exchange_header(data: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    """Replace the first bytes by those of another file."""
    count = rng.choice((4, 12, 44, 128))
    return rng.choice(others)[:count] + data[count:]


def corrupt_number(data: bytes, rng: random.Random, _: Sequence[bytes]) -> bytes:
    """Replace a number in the first 200 bytes by an extreme value."""
    damaged = bytearray(data)
    form, values = rng.choice((("<I", (0, 1, 0x7FFFFFFF, 0xFFFFFFFF)), (">I", (0, 1, 0x7FFFFFFF)), ("<H", (0, 0xFFFF))))
    offset = rng.randrange(min(200, len(damaged) - 4))
    struct.pack_into(form, damaged, offset, rng.choice(values))
    return bytes(damaged)


def splice(data: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    """Insert a part of another file."""
    at, other = rng.randrange(len(data)), rng.choice(others)
    start = rng.randrange(len(other))
    return data[:at] + other[start : start + rng.randrange(1, 2000)] + data[at:]


DAMAGES: tuple[Damage, ...] = (cut, flip, flip_header, exchange_header, corrupt_number, splice)


def damage_files(files: dict[str, bytes], count: int, seed: int) -> list[tuple[str, bytes]]:
    """Return `count` damaged files (name, content), cycling through all files and kinds of damage."""
    rng = random.Random(seed)
    contents = list(files.values())
    out = []
    for i in range(count):
        name = list(files)[i % len(files)]
        damage = DAMAGES[i // len(files) % len(DAMAGES)]
        out.append((f"{damage.__name__}-{i:05}-{name}", damage(files[name], rng, contents)))
    return out
