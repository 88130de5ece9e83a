"""Agreement of documentation and code: commands parse, links have targets, quickstarts run."""

from __future__ import annotations

import ast
import contextlib
import importlib
import io
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import TINY, draw_domain
from PIL import Image

from tools.build_site import find_links, list_pages, resolve_link
from tools.command_line_page import capture_parser, parse_command
from tools.doc_pages import ROOT, list_stale_pages
from tools.settings_page import list_setting_names, list_settings_groups
from unpaired.cli import COMMANDS
from unpaired.methods import METHODS

PAGES = sorted({ROOT / "README.md", ROOT / "README.zh.md", *list_pages().values()})
GENERATED_TABLE = re.compile(r"<!-- (\w+) -->.*?<!-- /\1 -->", re.DOTALL)
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
LAUNCHERS = ("srun", "-m")
"""Words before `unpaired` in commands that start it: of SLURM, and of torchrun."""
FOREIGN_FLAGS = {
    "--ntasks-per-node",
    "--profile",
    "--build-arg",
    "--no-deps",
    "--crop_size",
    "--eval",
    "--help",
    "--help-all",
    "--version",
    "--check",
    "--no-NAME",
    "--learn",
    "--source",
    "--max-pixels",
    "--max-hours",
}
"""Flags of other programs (pip, reference code, scripts), and flags that every command has."""


def name_page(path: Path) -> str:
    """Return the name of a page for test ids."""
    return path.relative_to(ROOT).as_posix()


def list_fences(path: Path) -> list[tuple[str, str]]:
    """Return the fenced blocks of a page: language and text without indentation."""
    text = GENERATED_TABLE.sub("", path.read_text(encoding="utf-8"))
    return [(match[2], re.sub(rf"^{match[1]}", "", match[3], flags=re.MULTILINE)) for match in FENCE.finditer(text)]


def list_commands(path: Path) -> list[list[str]]:
    """Return the `unpaired` commands in a page's shell blocks, as lists of arguments."""
    commands = []
    for language, block in list_fences(path):
        if language not in ("", "bash", "sh", "console"):
            continue
        for line in block.replace("\\\n", " ").splitlines():
            if "unpaired" not in line:
                continue
            lexer = shlex.shlex(line, posix=True, punctuation_chars="|<>&;")
            lexer.commenters, lexer.whitespace_split = "#", True
            part: list[str] = []
            for word in [*lexer, "|"]:
                if set(word) <= set("|<>&;"):
                    for i, name in enumerate(part):
                        if name == "unpaired" and (i == 0 or part[i - 1] in LAUNCHERS):
                            commands.append(part[i + 1 :])
                            break
                    part = []
                else:
                    part.append(word)
    return commands


def list_inline(path: Path) -> list[str]:
    """Return the code spans of a page outside fenced blocks and generated tables."""
    text = FENCE.sub("", GENERATED_TABLE.sub("", path.read_text(encoding="utf-8")))
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text)]


def list_flags() -> set[str]:
    """Return the flags of all commands and all methods."""
    flags = {flag for name in COMMANDS for a in capture_parser(name, [])._actions for flag in a.option_strings}
    for name in list_setting_names():
        flags |= {f"--{name.replace('_', '-')}", f"--no-{name.replace('_', '-')}"}
    return flags


@pytest.mark.parametrize("path", PAGES, ids=name_page)
def test_commands_parse(path: Path) -> None:
    for words in list_commands(path):
        assert words, f"{name_page(path)}: a bare `unpaired`"
        assert words[0] in COMMANDS, f"{name_page(path)}: unpaired {words[0]}"
        with contextlib.redirect_stdout(io.StringIO()):
            try:
                parse_command(words[0], words[1:])
            except SystemExit as stop:  # --help
                assert stop.code == 0


@pytest.mark.parametrize("path", PAGES, ids=name_page)
def test_commands_and_flags_in_the_text_exist(path: Path) -> None:
    known = list_flags() | FOREIGN_FLAGS
    for span in list_inline(path):
        if match := re.match(r"unpaired ([a-z]\w*)", span):
            assert match[1] in COMMANDS, f"{name_page(path)}: {span}"
        if not re.match(r"(unpaired|--)", span):
            continue
        for flag in re.findall(r"(?<!\S)--[a-zA-Z][\w-]*", span):
            assert flag in known, f"{name_page(path)}: {span}"


@pytest.mark.parametrize("path", PAGES, ids=name_page)
def test_links_have_targets(path: Path) -> None:
    for target in find_links(path.read_text(encoding="utf-8")):
        file = resolve_link(target, path)
        if "#" in target and not target.startswith("http") and (file is None or file.suffix == ".md"):
            assert target.partition("#")[2] in list_anchors(file or path), f"{name_page(path)}: {target}"


def test_tests_named_in_the_security_page_exist() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text)
    assert len(named) > 15
    for file, function in named:
        assert f"def {function}(" in (ROOT / file).read_text(encoding="utf-8") if function else (ROOT / file).is_file()


def list_anchors(path: Path) -> set[str]:
    """Return the anchors of a page's headings."""
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=name_page)
def test_python_examples_import_existing_names(path: Path) -> None:
    for language, block in list_fences(path):
        if language != "python" or path.name in ("api.md", "concepts.md"):  # signatures; an excerpt
            continue
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "unpaired":
                if "voice" in (node.module or ""):
                    pytest.importorskip("pyworld")
                module = importlib.import_module(node.module or "")
                for alias in node.names:
                    assert hasattr(module, alias.name), f"{name_page(path)}: {node.module}.{alias.name}"


def draw_photos_and_paintings(folder: Path) -> None:
    """Write the domains of the pages' examples."""
    for color, name in (("red", "photos"), ("blue", "paintings")):
        draw_domain(folder, color, 12).rename(folder / name)


def find_python_blocks(page: str) -> list[str]:
    """Return the Python blocks of a page."""
    return [text for language, text in list_fences(ROOT / page) if language == "python"]


def run_example(page: str) -> None:
    """Run the first Python example of a page in the current folder, with tiny networks and steps instead of minutes."""
    arguments = ", ".join(f"{name}={value!r}" for name, value in {**TINY, "steps": 2, "evaluate_every": 0}.items())
    exec(re.sub(r"minutes=\d+", arguments, find_python_blocks(page)[0]), {})


def test_python_examples_run(tiny_folder: Path, without_features: None) -> None:
    draw_photos_and_paintings(tiny_folder)
    shutil.copy(tiny_folder / "photos" / "000.png", tiny_folder / "holiday.jpg")
    run_example("README.md")
    run_example("docs/quickstart-images.md")
    with Image.open(tiny_folder / "out.png") as translation:
        assert translation.size == (20, 18)


def test_the_example_of_a_comparison_runs(tiny_folder: Path, without_features: None) -> None:
    draw_photos_and_paintings(tiny_folder)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        run_example("docs/compare.md")
    assert "photos -> paintings" in printed.getvalue() and "'change': " in printed.getvalue()


def test_generated_pages_are_up_to_date() -> None:
    assert not list_stale_pages(), "run: python -m tools.doc_pages"


def test_every_setting_has_a_help_text() -> None:
    missing = [
        f"{group.title}.{name}"
        for group in list_settings_groups()
        for name, field in group.fields.items()
        if not field.description
    ]
    assert not missing


def test_every_page_is_in_the_navigation() -> None:
    navigation = set(re.findall(r": ([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE))
    assert navigation == list_pages().keys()


def test_every_method_has_its_page() -> None:
    for name in METHODS:
        page = (ROOT / "docs" / "methods" / f"{name}.md").read_text(encoding="utf-8")
        assert f"--method {name}" in page or name == "cyclegan"
        assert "arXiv" in page


def substitute(words: list[str], names: dict[str, str]) -> list[str]:
    """Return a command with the names of the page's example replaced by those of the test."""
    for old, new in names.items():
        words = [re.sub(rf"(?<![\w-]){re.escape(old)}(?![\w-])", new, word) for word in words]
    return words


def make_tiny(words: list[str], settings: dict[str, Any], steps: int) -> list[str]:
    """Return a training command with a budget of `steps` instead of minutes, and small networks."""
    if words[0] != "train":
        return words
    words = [word for i, word in enumerate(words) if "--minutes" not in words[max(0, i - 1) : i + 1]]
    words += ["--steps", str(steps)]
    if "--resume" in words:
        return words
    flags = [word for name, value in settings.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    return [*words, *flags, "--evaluate-every", "0", "--device", "cpu"]


def run_quickstart(page: str, names: dict[str, str], settings: dict[str, Any]) -> list[str]:
    """Run the commands of a quickstart in order in the current folder; returns them."""
    ran: list[str] = []
    for words in list_commands(ROOT / "docs" / page):
        command = make_tiny(substitute(words, names), settings, steps=2 + ran.count("train"))
        assert COMMANDS[command[0]](command[1:]) == 0, shlex.join(command)
        ran.append(words[0])
    return ran


@pytest.fixture
def tiny_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Change to an empty folder and return it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    yield tmp_path


def test_quickstart_of_images_runs(tiny_folder: Path, without_features: None) -> None:
    for name in ("red", "blue"):
        draw_domain(tiny_folder, name, 12)
    draw_domain(tiny_folder / "holiday", "red", 2, seed=1)
    names = {"photos-paintings": "red-blue", "photos": "red", "paintings": "blue"}
    ran = run_quickstart("quickstart-images.md", names, TINY)
    assert ran == ["check", "train", "train", "train", "translate", "evaluate"]
    assert (tiny_folder / "runs" / "red-blue" / "report.html").is_file()
    assert len(list((tiny_folder / "translated-blue").rglob("*.png"))) == 2


def test_quickstart_of_voices_runs(tiny_folder: Path) -> None:
    pytest.importorskip("pyworld")
    pytest.importorskip("soundfile")
    import voice_worlds

    from unpaired.media.voice.audio_io import write

    for name, hz in (("alice", 200.0), ("bob", 110.0)):
        voice_worlds.speaker(tiny_folder, name, hz, [1.0] * 12)
    write(tiny_folder / "meeting.flac", voice_worlds.buzz(1.0), 16000)
    ran = run_quickstart("quickstart-voices.md", {}, voice_worlds.TINY)
    assert ran == ["check", "convert", "train", "translate", "evaluate", "evaluate"]
    assert (tiny_folder / "translated-bob" / "meeting.flac").is_file()
