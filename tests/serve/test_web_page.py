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

pytest.importorskip("av")
pytest.importorskip("soundfile")
pytest.importorskip("pyworld")

import clips
import httpx2
import numpy as np
import soundfile
from label_worlds import make_labelled_config
from live_server import serve_in_thread
from PIL import Image
from playwright import sync_api
from servers import TOKEN, encode_picture
from tiny_runs import make_run
from tiny_voices import hum, sound, voice_config

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
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A browser with a microphone that records a hum."""
    recording = sound(tmp_path_factory.mktemp("microphone") / "hum.wav", hum(2.0, rate=44100), rate=44100)
    microphone = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    arguments = ["--no-sandbox", *microphone, f"--use-file-for-fake-audio-capture={recording}"]
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=BROWSER, args=arguments)
        yield started
        started.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ServerState]]:
    """A server of a run with routes, a run with labels, and a run of recordings."""
    folder = tmp_path_factory.mktemp("page")
    labelled = make_labelled_config()
    small = {
        "medium_settings": labelled.medium_settings.model_copy(update={"size": 16}),
        "networks": labelled.networks.model_copy(update={"width": 4, "blocks": 1}),
    }
    runs = [make_run(folder / "routes"), make_run(folder / "labels", labelled.model_copy(update=small))]
    runs.append(make_run(folder / "voices", voice_config()))
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


def upload(panel: Any, *files: Path) -> None:
    """Drop files and wait until they are listed; their names' text also stands in the passing view of progress."""
    panel.locator("input[type=file]").first.set_input_files(list(files))
    for file in files:
        panel.get_by_label(file.name, exact=True).wait_for()


def translate(page: Any, panel: Any, *files: Path) -> Path:
    """Drop files, if there are new ones, press the button, and download the result."""
    if files:
        upload(panel, *files)
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
    upload(panel, write_picture(tmp_path, "x.png"))
    panel.get_by_role("button", name="Translate").click()
    page.get_by_text("--from").first.wait_for()  # an amount of one of three values needs the value to start from
    panel.get_by_label("The files show").click()
    page.get_by_role("option", name="brown").click()
    assert Image.open(translate(page, panel)).size == (40, 36)


def test_a_clip_is_shown_and_downloaded(page: Any, tmp_path: Path) -> None:
    clip = clips.write_clip(tmp_path / "clip.mp4")
    panel = page.get_by_role("tabpanel").first
    result = translate(page, panel, clip)
    assert clips.read_times(result) == clips.read_times(clip)
    panel.locator("video").nth(1).wait_for()
    page.wait_for_function("[...document.querySelectorAll('video')].filter(v => v.readyState > 1).length == 2")
    assert not panel.get_by_text("drag the divider").is_visible()


def test_a_recording_from_the_microphone_is_translated(page: Any) -> None:
    page.get_by_role("tab", name="voices").click()
    panel = page.locator("[role=tabpanel]:visible").last
    panel.get_by_role("button", name="Record").click()
    panel.get_by_role("button", name="Stop").first.wait_for()
    page.wait_for_timeout(1500)
    panel.get_by_role("button", name="Stop").first.click()
    panel.get_by_role("button", name="Translate").click()
    page.get_by_text("please confirm first").first.wait_for()
    panel.get_by_role("checkbox").check()
    wave, rate = soundfile.read(translate(page, panel))
    assert 0.5 < len(wave) / rate < 10 and np.abs(wave).max() > 0.001


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
