"""Every module of the package can be the first one that a program imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import unpaired

SOURCE = Path(unpaired.__file__).parent

IMPORT_EACH_MODULE = """
import os
import sys

import jinja2, numpy, PIL.Image, pydantic, safetensors.torch, torch, yaml  # imported once, before the forks

failed = []
for name in sys.stdin.read().split():
    pid = os.fork()
    if pid == 0:
        try:
            __import__(name)
        except BaseException as error:
            print(f"{name}: {type(error).__name__}: {error}", flush=True)
            os._exit(1)
        os._exit(0)
    if os.waitpid(pid, 0)[1]:
        failed.append(name)
sys.exit(f"cannot be imported first: {failed}" if failed else 0)
"""
"""Script that imports each module named on stdin in a process of its own, without other modules of the package."""


def test_every_module_can_be_imported_first() -> None:
    """The static test of import cycles does not see the packages that an import of a submodule runs first."""
    paths = [path.relative_to(SOURCE.parent) for path in sorted(SOURCE.rglob("*.py")) if path.name != "__main__.py"]
    names = [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in paths]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IMPORT_EACH_MODULE],
        input="\n".join(names),
        capture_output=True,
        text=True,
        check=False,
        cwd=SOURCE.parent,
    )
    assert done.returncode == 0, done.stdout + done.stderr
