"""Build the documentation site: `python -m tools.build_site` writes it to build/site.

The pages of docs/ and those at the root of the repository are copied to build/site-source. A link from
a page to a source file leads to a page that shows this file; a link to another file leads to a copy of it. The build
fails if a link or an anchor leads nowhere.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tools.doc_pages import ROOT
from tools.doc_pages import main as write_generated_pages

SOURCE = ROOT / "build" / "site-source"
ROOT_PAGES = {
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "README.md": "index.md",
}
"""Page at the root of the repository -> its page on the site. README.md has no copy: index.md takes its place."""
LINK = re.compile(r"(\]\()(<[^>]*>|[^)\s]+)((?:\s+\"[^\"]*\")?\))")
EXTERNAL = ("http://", "https://", "mailto:")


def list_pages() -> dict[str, Path]:
    """List the pages of the site, as a path on the site -> the file."""
    pages = {path.relative_to(ROOT / "docs").as_posix(): path for path in sorted((ROOT / "docs").rglob("*.md"))}
    for name, page in ROOT_PAGES.items():
        if (ROOT / name).is_file() and name != "README.md":
            pages[page] = ROOT / name
    return pages


def split_code(text: str) -> list[tuple[str, bool]]:
    """Split a Markdown text into parts, each with whether it is code (fenced or inline)."""
    parts = re.split(r"(^```.*?^```[^\n]*$|`[^`\n]+`)", text, flags=re.MULTILINE | re.DOTALL)
    return [(part, bool(i % 2)) for i, part in enumerate(parts)]


def find_links(text: str) -> list[str]:
    """Find the targets of the inline links and images of a Markdown text, outside code."""
    return [match[1].strip("<>") for part, is_code in split_code(text) if not is_code for match in find_matches(part)]


def find_matches(text: str) -> list[tuple[str, str, str]]:
    """Find the links of a text without code, as (opening brackets, target, title and closing bracket)."""
    return [(match[1], match[2], match[3]) for match in LINK.finditer(text)]


def resolve_link(target: str, page: Path) -> Path | None:
    """Return the file that a relative link of `page` leads to; None for an external link or an anchor of the page.

    Raises FileNotFoundError, with the page and the link, if there is no such file.
    """
    if target.startswith((*EXTERNAL, "#")):
        return None
    path = Path(os.path.normpath(page.parent / target.partition("#")[0]))
    if not path.exists():
        raise FileNotFoundError(f"{page.relative_to(ROOT)}: link to {target}, which does not exist")
    return path


def build_source() -> None:
    """Write build/site-source: every page, every image, and the files that pages link to."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    shutil.copytree(ROOT / "docs", SOURCE)
    for page, path in list_pages().items():
        text = path.read_text(encoding="utf-8")
        parts = [part if is_code else rewrite_links(part, page, path) for part, is_code in split_code(text)]
        (SOURCE / page).write_text("".join(parts), encoding="utf-8")


def rewrite_links(text: str, page: str, path: Path) -> str:
    """Make the links of a part of a page lead to pages and files of the site."""

    def rewrite(match: re.Match[str]) -> str:
        target = match[2].strip("<>")
        file = resolve_link(target, path)
        if file is None:
            return match[0]
        anchor = target.partition("#")[1] + target.partition("#")[2]
        relative = os.path.relpath(place_file(file), Path(page).parent)
        return f"{match[1]}{Path(relative).as_posix()}{anchor}{match[3]}"

    return LINK.sub(rewrite, text)


def place_file(file: Path) -> str:
    """Return the path on the site of a file of the repository; a file that is not a page gets a copy there."""
    name = file.relative_to(ROOT).as_posix()
    if name in ROOT_PAGES:
        return ROOT_PAGES[name]
    if name.startswith("docs/"):
        return name.removeprefix("docs/")
    if file.is_dir():
        raise IsADirectoryError(f"{name}: a page of the site cannot link to a folder; link to a file in it")
    if file.suffix == ".py":
        place = f"source/{name.removesuffix('.py')}.md"
        text = f"# {name}\n\n```python\n{file.read_text(encoding='utf-8')}```\n"
    else:
        place, text = f"files/{name}", file.read_text(encoding="utf-8")
    (SOURCE / place).parent.mkdir(parents=True, exist_ok=True)
    (SOURCE / place).write_text(text, encoding="utf-8")
    return place


def main() -> int:
    """Generate the reference pages, write the source of the site and build it; returns the exit code."""
    write_generated_pages([])
    try:
        build_source()
    except (FileNotFoundError, IsADirectoryError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    command = [str(Path(sys.executable).with_name("zensical")), "build", "--strict", "--clean"]
    return subprocess.run([*command, "--config-file", "mkdocs.yml"], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
