"""Diagnosis of `unpaired doctor`: versions, devices, threads, extras, plugins, folders and speed."""

from __future__ import annotations

import importlib.metadata
import locale
import os
import platform
import re
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch

from unpaired import __version__
from unpaired.cache_folder import find_cache_home
from unpaired.cores import count_cores, count_threads, read_cpu_quota
from unpaired.errors import UnpairedError, UnpairedWarning
from unpaired.media import MEDIA
from unpaired.methods import METHODS
from unpaired.training.precision import list_candidate_precisions

PACKAGES = ("torch", "numpy", "pillow", "tifffile", "safetensors", "pydantic", "lightning-fabric", "tensorboard")
TOOL_EXTRAS = ("dev", "docs")
"""Extras that only developers of the package need."""
VARIABLES = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "CUDA_VISIBLE_DEVICES", "XDG_CACHE_HOME", "SLURM_NTASKS")
SPEED_SHAPE = (4, 32, 64, 64)
SPEED_STEPS = 5
NAME_WIDTH = 18
"""Width of the first column: that of the longest extra, export-openvino, and a gap."""


@dataclass
class Diagnosis:
    """The lines to print, and the problems among them."""

    lines: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def add(self, name: str, text: str) -> None:
        """Add a line."""
        self.lines.append(f"{name:<{NAME_WIDTH}}{text}")

    def add_problem(self, text: str) -> None:
        """Add a line that says what is wrong and how to fix it."""
        self.problems.append(text)
        self.lines.append(f"{'WRONG':<{NAME_WIDTH}}{text}")


def diagnose(folder: Path) -> Diagnosis:
    """Inspect the installation and the machine, and test writing to `folder`. Takes a few seconds."""
    report = Diagnosis()
    report.add("unpaired", f"{__version__} in {Path(__file__).parent}")
    report.add("python", f"{platform.python_version()} ({sys.executable}) on {platform.platform()}")
    report.add("packages", ", ".join(f"{name} {find_version(name)}" for name in PACKAGES))
    report.add("output", f"{sys.stdout.encoding}, file names {sys.getfilesystemencoding()}, {locale.getlocale()[0]}")
    add_processor(report)
    add_devices(report)
    add_extras(report)
    add_plugins(report)
    add_folders(report, folder)
    return report


def find_version(package: str) -> str:
    """Return the installed version of a package, or "missing"."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def add_processor(report: Diagnosis) -> None:
    """Report cores, quota, threads, environment variables, load and memory."""
    quota = read_cpu_quota()
    report.add(
        "cores",
        f"{os.cpu_count()} in the machine, {count_cores()} for this process"
        + ("" if quota is None else f" (container quota: {quota:g})")
        + f"; {count_threads()} threads by default, torch has {torch.get_num_threads()}",
    )
    report.add("variables", ", ".join(f"{name}={os.environ.get(name, '(unset)')}" for name in VARIABLES))
    if os.name == "posix":
        report.add("load", ", ".join(f"{load:.1f}" for load in os.getloadavg()) + " (1, 5 and 15 minutes)")
    if sys.platform == "linux":
        report.add("memory", f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.1f} GiB in total")


def add_devices(report: Diagnosis) -> None:
    """Report GPUs, and the time of a convolution with its gradients on each device in each precision."""
    for i in range(torch.cuda.device_count()):
        report.add(f"cuda:{i}", f"{torch.cuda.get_device_name(i)}, CUDA {torch.version.cuda}")
    if not torch.cuda.is_available() and torch.version.cuda is not None:
        report.add("cuda", "run nvidia-smi: torch is built for CUDA, but finds no usable GPU")
    kinds = ["cpu"]
    kinds += ["cuda"] if torch.cuda.is_available() else []
    kinds += ["mps"] if torch.backends.mps.is_available() else []
    for kind in kinds:
        device = torch.device(kind)
        try:
            speeds = [f"{p} {measure_speed(device, p) * 1000:.1f} ms" for p in list_candidate_precisions(device)]
        except RuntimeError as error:
            report.add_problem(f"use another --device, or reinstall torch: a convolution on {kind} fails ({error})")
        else:
            report.add(f"{kind} speed", f"convolution {SPEED_SHAPE}, forward and backward: {', '.join(speeds)}")


def measure_speed(device: torch.device, precision: str) -> float:
    """Return the shortest time in seconds of a convolution, forward and backward, out of SPEED_STEPS."""
    layer = torch.nn.Conv2d(SPEED_SHAPE[1], SPEED_SHAPE[1], 3, padding=1).to(device)
    x = torch.ones(SPEED_SHAPE, device=device)
    dtype = {"bf16-mixed": torch.bfloat16, "fp16-mixed": torch.float16}.get(precision)
    seconds = []
    for _ in range(1 + SPEED_STEPS):
        started = time.perf_counter()
        with torch.autocast(device.type, dtype or torch.bfloat16, enabled=dtype is not None):
            y = layer(x)
        y.float().sum().backward()
        assert layer.weight.grad is not None
        layer.weight.grad.sum().item()  # synchronizes with the device
        seconds.append(time.perf_counter() - started)
    return min(seconds[1:])


def add_extras(report: Diagnosis) -> None:
    """Report which optional packages are installed, and how to install the others."""
    for extra, packages in list_extras().items():
        missing = [package for package in packages if find_version(package) == "missing"]
        state = "installed" if not missing else f"to add {', '.join(missing)}: pip install 'unpaired[{extra}]'"
        report.add(extra, state)


def list_extras() -> dict[str, list[str]]:
    """Return the packages of each extra, from the metadata of the installed package; empty if it is not installed."""
    extras: dict[str, list[str]] = {}
    try:
        requirements = importlib.metadata.requires("unpaired") or []
    except importlib.metadata.PackageNotFoundError:
        return extras
    for requirement in requirements:
        name = re.match(r"[\w.-]+", requirement)
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", requirement)
        if name and extra and name[0] != "unpaired" and extra[1] not in TOOL_EXTRAS:
            extras.setdefault(extra[1], []).append(name[0])
    return extras


def add_plugins(report: Diagnosis) -> None:
    """Report the methods and media that other packages add."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnpairedWarning)  # the report says it
        plugins = [(table.group, plugin) for table in (METHODS, MEDIA) for plugin in table.plugins]
    for group, plugin in plugins:
        text = f"{group.partition('.')[2]} '{plugin.name}' of {plugin.package}"
        if plugin.problem:
            report.add_problem(f"mend or remove the package: {text}: {plugin.problem}")
        else:
            report.add("plugin", text)


def add_folders(report: Diagnosis, folder: Path) -> None:
    """Test writing to each folder that the package uses; report its speed and free space."""
    for name, path in list_folders(folder):
        try:
            speed = measure_writing(path)
            free = shutil.disk_usage(path).free / 2**30
        except (OSError, UnpairedError) as error:
            report.add_problem(f"choose another {name} folder: {path.absolute()} cannot be written ({error})")
            continue
        report.add(name, f"{path.absolute()}: writable, {speed:.0f} MB/s, {free:.1f} GiB free")


def list_folders(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield name and path of the folders that the package writes to."""
    yield "out", folder
    yield "cache", find_cache_home()
    yield "temporary", Path(tempfile.gettempdir())


def measure_writing(folder: Path, megabytes: int = 16) -> float:
    """Return the speed of writing a file to the disk of `folder`, in MB/s. Raises OSError if writing fails."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".unpaired-") as file:
        started = time.perf_counter()
        for _ in range(megabytes):
            file.write(bytes(1_000_000))
        file.flush()
        os.fsync(file.fileno())
        return megabytes / (time.perf_counter() - started)
