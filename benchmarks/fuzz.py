"""Fuzz test of the readers: damaged and hostile files are read or refused, in limited time and memory.

    python -m benchmarks.fuzz [--pictures 1000] [--recordings 500] [--texts 500] [--seed S]

The files are images, recordings, settings files (YAML) and tables of labels (CSV). Prints the outcomes, the slowest
file and the seed (random without --seed). Exit code 1 if a reader raised anything but an UnpairedError, if a message
lacked the name of the file or was longer than 5000 characters, or if a file took more than 20 s of
processor time.
"""

from __future__ import annotations

import argparse
import resource
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.damage import damage_files, make_pictures, make_recordings
from benchmarks.damage_texts import edit_files, make_settings, make_tables
from unpaired.config.resolve import SECTIONS, SettingsRequest, resolve_settings
from unpaired.data.label_table import is_boolean, read_table
from unpaired.errors import UnpairedError, UsageError
from unpaired.media import MEDIA
from unpaired.media.image.image_io import read_header, read_image
from unpaired.media.voice.audio_io import read

MAX_SECONDS_PER_FILE = 20.0
"""Limit of processor time, which other programs do not lengthen."""
MAX_MESSAGE = 5000


@dataclass
class FuzzResult:
    """Outcomes of reading damaged files."""

    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")


def read_picture(path: Path) -> None:
    """Read an image in all three modes of the commands: header, full size and reduced size."""
    read_header(path)
    read_image(path)
    read_image(path, 16)


def read_recording(path: Path) -> None:
    """Decode a complete recording."""
    read(path, 16000)


def read_settings_file(path: Path) -> None:
    """Read and validate a settings file; name the file in errors of its values."""
    request = SettingsRequest.read(file=path)
    try:
        for section in SECTIONS:
            request.section(section)
        resolve_settings(request, next(iter(MEDIA.values())), "tiny")
    except UsageError as error:
        raise UsageError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from error


def read_label_table(path: Path) -> None:
    """Read a table of labels and the values of its first columns."""
    table = read_table(path)
    for column in table.columns[:5]:
        is_boolean(table.list_values(column))


def fuzz(files: list[tuple[str, bytes]], reader: Callable[[Path], None], folder: Path) -> FuzzResult:
    """Write each file, read it and record the outcome."""
    result = FuzzResult()
    for name, content in files:
        path = folder / name
        path.write_bytes(content)
        started = time.process_time()
        try:
            reader(path)
            result.outcomes["read"] += 1
        except UnpairedError as error:
            result.outcomes["refused"] += 1
            if name not in str(error) or len(str(error)) > MAX_MESSAGE:
                result.faults.append(f"{name}: not named, or too long: '{str(error)[:MAX_MESSAGE]}'")
        except Exception as error:
            result.faults.append(f"{name}: {type(error).__name__}: {error}")
        seconds = time.process_time() - started
        result.slowest = max(result.slowest, (seconds, name))
        if seconds > MAX_SECONDS_PER_FILE:
            result.faults.append(f"{name}: took {seconds:.1f} s")
        path.unlink()
    return result


def main() -> int:
    """Run the fuzz test; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--recordings", type=int, default=500)
    parser.add_argument("--texts", type=int, default=500, help="number of settings files, and of tables")
    parser.add_argument("--seed", type=int, default=None)
    args = parser.parse_args()
    seed = secrets.randbelow(1 << 31) if args.seed is None else args.seed
    print(f"seed {seed}")
    faults = []
    with tempfile.TemporaryDirectory() as folder:
        for kind, files, reader in (
            ("pictures", damage_files(make_pictures(seed), args.pictures, seed), read_picture),
            ("recordings", damage_files(make_recordings(seed), args.recordings, seed), read_recording),
            ("settings files", edit_files(make_settings(), args.texts, seed), read_settings_file),
            ("tables", edit_files(make_tables(), args.texts, seed), read_label_table),
        ):
            result = fuzz(files, reader, Path(folder))
            seconds, name = result.slowest
            outcomes = ", ".join(f"{outcome} {number}" for outcome, number in sorted(result.outcomes.items()))
            print(f"{kind}: {outcomes}, faults {len(result.faults)}; slowest {seconds:.2f} s ({name})")
            faults += result.faults
    for fault in faults:
        print(f"fault: {fault}")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
