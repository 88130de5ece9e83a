"""Folders of the control groups (v1 or v2) that limit this process on Linux, as in containers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


def iterate_group_folders(controller: str, root: Path = Path("/")) -> Iterator[Path]:
    """Yield the folders of this process's control groups and of their ancestors that may limit `controller`.

    Yields nothing on other systems. A folder may be absent.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        mounts = ["sys/fs/cgroup"]
        if controllers:
            mounts = [f"sys/fs/cgroup/{name}" for name in dict.fromkeys((controllers, controller, "cpu,cpuacct"))]
        parts = [part for part in group.split("/") if part not in ("", "..")]
        for mount in mounts:
            # In a container the path may be the host's, while the container's own group is mounted at the top.
            yield from ((root / mount).joinpath(*parts[:depth]) for depth in range(len(parts) + 1))
