"""Agreement of both READMEs with the code, the benchmark rows and each other."""

from __future__ import annotations

from test_docs import list_commands

from benchmarks.table import main
from tools.doc_pages import ROOT

README, CHINESE = ROOT / "README.md", ROOT / "README.zh.md"


def test_tables_are_up_to_date() -> None:
    assert main(["--check"]) == 0, "run: python -m benchmarks.table"


def test_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 100


def test_both_languages_show_the_same_commands() -> None:
    assert list_commands(README) == list_commands(CHINESE)
    assert list_commands(README)
    for command in ("make demo", "make test"):
        assert command in README.read_text(encoding="utf-8")
        assert command in CHINESE.read_text(encoding="utf-8")
