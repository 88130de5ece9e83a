"""The README says what is there: its tables are those of the code and of the measured rows, its commands exist."""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.table import main
from unpaired.cli import COMMANDS
from unpaired.methods import METHODS

ROOT = Path(__file__).parent.parent


def test_tables_are_up_to_date() -> None:
    assert main(["--check"]) == 0, "run: python -m benchmarks.table"


def test_commands_and_links_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^unpaired (\w+)", text, flags=re.MULTILINE)) <= COMMANDS.keys()
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / link).exists(), link


def test_every_method_has_its_page() -> None:
    for name in METHODS:
        page = (ROOT / "docs" / "methods" / f"{name}.md").read_text(encoding="utf-8")
        assert f"--method {name}" in page or name == "cyclegan"
        assert "arXiv" in page
