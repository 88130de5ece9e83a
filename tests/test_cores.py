from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from unpaired import cores


def make_groups(root: Path, membership: str, files: dict[str, str]) -> Path:
    """Write a file system with the control groups of a process."""
    for name, text in {"proc/self/cgroup": membership, **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("membership", "files", "quota"),
    [
        ("0::/\n", {"sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1.5),
        ("0::/a/b\n", {"sys/fs/cgroup/a/cpu.max": "50000 100000", "sys/fs/cgroup/a/b/cpu.max": "max 100000"}, 0.5),
        ("0::/docker/123\n", {"sys/fs/cgroup/cpu.max": "200000 100000"}, 2.0),  # the host's path in a container
        ("0::/\n", {"sys/fs/cgroup/cpu.max": "max 100000"}, None),
        (
            "4:memory:/x\n3:cpu,cpuacct:/job\n",
            {
                "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": "300000",
                "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "100000",
            },
            3.0,
        ),
        ("1:cpu:/\n", {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "1"}, None),
        ("nonsense\n", {}, None),
    ],
)
def test_the_containers_quota(membership: str, files: dict[str, str], quota: float | None, tmp_path: Path) -> None:
    assert cores.read_cpu_quota(make_groups(tmp_path, membership, files)) == quota


def test_without_control_groups_there_is_no_quota(tmp_path: Path) -> None:
    assert cores.read_cpu_quota(tmp_path) is None


def test_affinity_and_quota_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    for quota, count in ((None, 64), (1.5, 2), (0.25, 1), (100.0, 64)):
        monkeypatch.setattr(cores, "read_cpu_quota", lambda quota=quota: quota)
        assert cores.count_cores() == count


@pytest.mark.parametrize(("text", "count"), [("", None), ("3", 3), ("4,2", 4), ("x", None), ("0", None), (" 2 ", 2)])
def test_threads_follow_omp_num_threads(text: str, count: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cores.parse_thread_count(text) == count
    monkeypatch.setattr(cores, "_THREADS_AT_START", text)
    monkeypatch.setattr(cores, "count_cores", lambda: 8)
    assert cores.count_threads() == (count or 8)
    assert cores.count_threads(process_count=2) == (count or 4)


@pytest.mark.parametrize(("given", "policy"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_wait_policy_is_passive_unless_set(given: str | None, policy: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    environment |= {} if given is None else {"OMP_WAIT_POLICY": given}
    code = "import unpaired, os, sys; print('torch' in sys.modules, os.environ['OMP_WAIT_POLICY'])"
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["False", policy]
