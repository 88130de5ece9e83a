"""The web page in a headless browser. Skipped where gradio, playwright or a browser is missing."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("gradio")
pytest.importorskip("playwright")

import httpx2
from label_worlds import make_labelled_config
from live_server import serve_in_thread
from PIL import Image
from playwright import sync_api
from servers import TOKEN, encode_picture
from tiny_runs import make_run

from unpaired.config.run_config import write_config
from unpaired.runs.folder import RunFolder
from unpaired.serve.page_paths import create_alias
from unpaired.serve.state import ServerState

BROWSER = next((path for name in ("chromium", "google-chrome", "chrome") if (path := shutil.which(name))), None)
pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="no Chromium"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::UserWarning"),
]
TIMEOUT_MS = 60_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ServerState]]:
    """A server of a run with routes and a run with labels."""
    folder = tmp_path_factory.mktemp("page")
    labelled = make_labelled_config()
    small = {
        "medium_settings": labelled.medium_settings.model_copy(update={"size": 16}),
        "networks": labelled.networks.model_copy(update={"width": 4, "blocks": 1}),
    }
    runs = [make_run(folder / "routes"), make_run(folder / "labels", labelled.model_copy(update=small))]
    for run in runs:  # a run without budget has no report
        config = RunFolder(run).load_config()
        training = config.training.model_copy(update={"steps": 1})
        write_config(RunFolder(run).config, config.model_copy(update={"training": training}))
    with serve_in_thread(folder, *runs, token=TOKEN) as opened:
        yield opened


@pytest.fixture
def page(browser: Any, server: tuple[str, ServerState]) -> Iterator[Any]:
    """The page after login; fails if it requests anything from another server."""
    address, _ = server
    context = browser.new_context()
    opened = context.new_page()
    opened.set_default_timeout(TIMEOUT_MS)
    requested: list[str] = []
    opened.on("request", lambda request: requested.append(request.url))
    opened.goto(address)
    opened.fill("input[name=token]", TOKEN)
    opened.click("button")
    opened.get_by_role("button", name="Translate").first.wait_for()
    yield opened
    assert len(requested) > 10
    assert not [url for url in requested if not url.startswith((address, "data:", "blob:"))]
    context.close()


def translate(page: Any, panel: Any, *files: Path) -> Path:
    """Drop files, if there are new ones, press the button, and download the result."""
    if files:
        panel.locator("input[type=file]").first.set_input_files(list(files))
        panel.get_by_text(files[-1].stem).first.wait_for()
    panel.get_by_role("button", name="Translate").click()
    link = panel.locator(".file-preview a[download]").last
    panel.get_by_text("Download", exact=True).wait_for()
    with page.expect_download() as waiting:
        link.click()
    return Path(waiting.value.path())


def write_picture(folder: Path, name: str, color: str = "red") -> Path:
    (folder / name).write_bytes(encode_picture((40, 36), color))
    return folder / name


def test_a_picture_is_translated_and_downloaded(page: Any, server: tuple[str, ServerState], tmp_path: Path) -> None:
    address, state = server
    answers: list[Any] = []
    page.on("response", lambda answer: answers.append(answer))  # noqa: PLW0108 - it rejects built-in functions
    panel = page.get_by_role("tabpanel").first
    result = translate(page, panel, write_picture(tmp_path, "red.png"))
    expected = httpx2.post(
        f"{address}v1/translate",
        files={"files": ("red.png", encode_picture((40, 36)))},
        data={"to": "paintings", "from": "photos"},
        headers={"authorization": f"Bearer {TOKEN}"},
    )
    assert result.read_bytes() == expected.content
    assert panel.locator("img").count() >= 2, "before and after"
    assert "Not measured" in panel.inner_text()
    folder = str(state.storage.path)
    texts = [answer.text() for answer in answers if "json" in answer.headers.get("content-type", "")]
    assert texts
    assert not [text for text in texts if folder in text], "no path of the server"
    assert not [answer.url for answer in answers if folder in answer.url]


def test_several_pictures_give_a_zip_with_remarks(page: Any, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    panel = page.get_by_role("tabpanel").first
    pictures = [write_picture(tmp_path, "a.png"), write_picture(tmp_path, "b.png", "blue"), broken]
    with zipfile.ZipFile(translate(page, panel, *pictures)) as archive:
        assert set(archive.namelist()) == {"a.png", "b.png", "result.json"}
    assert "Not translated: broken.png" in panel.inner_text()


def test_labels_have_amounts(page: Any, tmp_path: Path) -> None:
    page.get_by_role("tab", name="labels").click()
    panel = page.locator("[role=tabpanel]:visible").last
    panel.get_by_label("number input for Amount").first.fill("0.5")
    panel.get_by_label("number input for Amount").first.press("Tab")
    panel.locator("input[type=file]").first.set_input_files([write_picture(tmp_path, "x.png")])
    panel.get_by_text("x.png").first.wait_for()
    panel.get_by_role("button", name="Translate").click()
    page.get_by_text("--from").first.wait_for()  # an amount of one of three values needs the value to start from
    panel.get_by_label("The files show").click()
    page.get_by_role("option", name="brown").click()
    assert Image.open(translate(page, panel)).size == (40, 36)


def test_page_needs_the_token_for_every_file(server: tuple[str, ServerState]) -> None:
    address, state = server
    for path in ("config", "theme.css", "gradio_api/info", "gradio_api/queue/data?session_hash=x", "assets/x.js"):
        assert httpx2.get(f"{address}{path}").status_code == 401
    assert httpx2.post(f"{address}gradio_api/upload", files={"files": ("x.png", b"x")}).status_code == 401
    allowed = {"authorization": f"Bearer {TOKEN}"}
    for path in ("/etc/passwd", str(state.models.get(None).path / "config.yaml"), str(Path.cwd() / "README.md")):
        assert httpx2.get(f"{address}gradio_api/file={path}", headers=allowed).status_code == 403


def test_alias_has_the_length_of_the_folder() -> None:
    assert {len(create_alias(length)) for length in range(8, 80)} == set(range(8, 80))
