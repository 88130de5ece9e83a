"""Script that test_ray.py starts: translates files on two local Ray workers, and writes the translations to a folder.

A process of its own, because Ray leaves processes and warnings behind in the one that started it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import ray
import ray.data

from unpaired.ray import Translate


def main(run: str, files: str, out: Path) -> None:
    """Translate the folder `files` to `out`; files that cannot be translated are written empty."""
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False)  # workers inherit PYTHONPATH
    data = ray.data.read_binary_files(files, include_paths=True)
    arguments = {"run": run, "to": "paintings", "device": "cpu"}
    translated = data.map_batches(Translate, fn_constructor_kwargs=arguments, concurrency=2, batch_size=2)
    for row in translated.drop_columns(["bytes"]).take_all():
        (out / row["translation_name"]).write_bytes(row["translation"])
    ray.shutdown()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
