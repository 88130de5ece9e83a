"""Time and memory of listing many files for a translation, in shards or not.

`python -m benchmarks.index --files 1000000 --folder DIR` makes empty files in DIR (kept for the next time) and prints
the seconds until the first job is known, and the peak memory of the process.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

from unpaired.media import MEDIA
from unpaired.translate.jobs import TranslationJobs
from unpaired.translate.shards import Shard

FILES_PER_FOLDER = 1000


def make_files(folder: Path, count: int) -> None:
    """Make `count` empty files in folders of a thousand, unless they exist."""
    for start in range(0, count, FILES_PER_FOLDER):
        part = folder / f"{start // FILES_PER_FOLDER:05}"
        if not part.is_dir():
            part.mkdir(parents=True)
            for i in range(min(FILES_PER_FOLDER, count - start)):
                (part / f"picture-{i:04}.png").touch()


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--shards", type=int, default=1, help="list the first of so many shards")
    args = parser.parse_args()
    make_files(args.folder, args.files)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, cpu = time.perf_counter(), time.process_time()
    medium = next(iter(MEDIA.values()))
    with tempfile.TemporaryDirectory() as out:
        shard = Shard(1, args.shards) if args.shards > 1 else None
        jobs = TranslationJobs([args.folder], Path(out) / "out", medium, shard=shard)
        next(iter(jobs))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"{len(jobs):,} of {args.files:,} files: {wall:.1f} s ({cpu:.1f} s of CPU); memory {before / 1024:.0f} -> "
        f"{after / 1024:.0f} MB"
    )


if __name__ == "__main__":
    main()
