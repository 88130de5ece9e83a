"""Agreement of docs/licences.md with the lock files, and refusal of unknown and non-commercial licences."""

from __future__ import annotations

import re
from email.message import Message
from importlib.metadata import PackageMetadata
from typing import cast

import pytest

from tools.doc_pages import ROOT
from tools.licences import LOCKS, PAGE, TORCH_LICENCES, WITHOUT_DEPENDENCIES, read_licence, read_pins


def build_metadata(**fields: str) -> PackageMetadata:
    """Build metadata as importlib.metadata returns it."""
    message = Message()
    for name, value in fields.items():
        message[name.replace("_", "-")] = value
    return cast(PackageMetadata, message)


def test_page_lists_exactly_the_locked_versions() -> None:
    locks = [read_pins(ROOT / "requirements" / f"{lock}.lock") for lock in LOCKS]
    expected = {pin for lock in locks for pin in lock.items()}
    expected |= read_pins(ROOT / "constraints.txt").items()
    expected |= {(name, version) for name, (version, _) in WITHOUT_DEPENDENCIES.items()}
    rows = re.findall(r"^\| ([\w.-]+) \| (\S+) \| \S.* \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert {row for row in rows if row[0] != "package"} == expected
    assert len({name for name, _ in expected}) == len(expected)  # one version of each package
    assert read_pins(ROOT / "constraints.txt").keys() == TORCH_LICENCES.keys()


def test_every_locked_version_has_hashes() -> None:
    for lock in LOCKS:
        text = (ROOT / "requirements" / f"{lock}.lock").read_text(encoding="utf-8")
        entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
        assert entries and all("--hash=sha256:" in entry and "==" in entry.splitlines()[0] for entry in entries)
        assert not re.search(r"^(--|torch==|torchvision==)|://", text, re.MULTILINE)  # no index, no build of torch


def test_licence_comes_from_expression_then_field_then_classifier() -> None:
    classifier = "License :: OSI Approved :: MIT License"
    assert read_licence("a", build_metadata(License_Expression="MIT OR Apache-2.0", Classifier=classifier)).startswith(
        "MIT OR"
    )
    assert read_licence("a", build_metadata(License="Apache 2.0", Classifier=classifier)) == "Apache-2.0"
    assert read_licence("a", build_metadata(License="Copyright (c) 2001\nA text", Classifier=classifier)) == "MIT"


@pytest.mark.parametrize("licence", ["UNKNOWN", "BSD", "Some words, not SPDX", "CC-BY-NC-4.0"])
def test_unknown_and_noncommercial_licences_raise_value_error(licence: str) -> None:
    with pytest.raises(ValueError, match="somepackage"):
        read_licence("somepackage", build_metadata(License=licence))
