"""The HTTP API: translation, models, errors and measurements."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("fastapi")

from fastapi.testclient import TestClient
from httpx2 import Response
from label_worlds import make_labelled_config
from PIL import Image
from servers import encode_picture, encode_zip, open_server, require_clean
from tiny_runs import config, make_run

from unpaired import Translator
from unpaired.media.image.carried_metadata import SYNTHETIC_XMP
from unpaired.runs.weights import read_tensors, write_tensors
from unpaired.serve.state import ServerState
from unpaired.serve.uploads import clean_name

Server = tuple[TestClient, ServerState]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with open_server(tmp_path, max_files=5, max_bytes=1 << 20) as opened:
        yield opened


def send(client: TestClient, *files: tuple[str, bytes], **fields: str) -> Response:
    return client.post("/v1/translate", files=[("files", file) for file in files], data={"to": "paintings", **fields})


def test_one_file_gives_the_translation_of_the_translator(server: Server, tmp_path: Path) -> None:
    client, state = server
    answer = send(client, ("red.png", encode_picture()))
    assert answer.status_code == 200, answer.text
    assert 'filename="red.png"' in answer.headers["content-disposition"]
    translated = Image.open(io.BytesIO(answer.content))
    expected = Translator.load(tmp_path / "secret" / "photos-paintings", device="cpu")(
        Image.new("RGB", (20, 18), "red"), to="paintings"
    )
    np.testing.assert_array_equal(np.asarray(translated), np.asarray(expected))
    assert translated.info["XML:com.adobe.xmp"].encode() == SYNTHETIC_XMP
    require_clean(state)


def test_several_files_and_zips_give_a_zip_with_a_description(server: Server) -> None:
    client, _ = server
    archive = encode_zip({"a/x.jpg": encode_picture(suffix="JPEG"), "a/notes.txt": b"text", "__MACOSX/x.png": b"x"})
    answer = send(client, ("x.png", encode_picture()), ("broken.png", b"no picture"), ("more.zip", archive))
    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as translated:
        assert set(translated.namelist()) == {"x.png", "a/x.jpg", "result.json"}
        result = json.loads(translated.read("result.json"))
    assert result["translated"] == ["a/x.jpg", "x.png"]
    assert [failure["file"] for failure in result["failed"]] == ["broken.png"]
    assert any("a/notes.txt" in note for note in result["notes"])


def test_a_run_of_pictures_translates_clips(server: Server, tmp_path: Path) -> None:
    pytest.importorskip("av")
    import clips

    client, state = server
    assert {".mp4", ".png"} <= set(client.get("/v1/models").json()["models"][0]["suffixes"])
    clip = clips.write_clip(tmp_path / "clip.mp4", sound_codec="aac")
    answer = send(client, ("clip.mp4", clip.read_bytes()))
    assert answer.status_code == 200, answer.text
    (tmp_path / "result.mp4").write_bytes(answer.content)
    assert clips.read_times(tmp_path / "result.mp4") == clips.read_times(clip)
    require_clean(state)


def test_equal_names_are_both_translated(server: Server) -> None:
    client, _ = server
    answer = send(client, ("x.png", encode_picture()), ("X.png", encode_picture(color="blue")))
    with zipfile.ZipFile(io.BytesIO(answer.content)) as translated:
        assert set(translated.namelist()) == {"x.png", "X-2.png", "result.json"}


@pytest.mark.parametrize("name", ["../../../etc/x.png", "..\\..\\x.png", "/etc/x.png", "C:\\x.png", ".x.png"])
def test_names_cannot_lead_out_of_the_folder(server: Server, name: str) -> None:
    client, _ = server
    answer = send(client, (name, encode_picture()))
    assert answer.status_code == 200
    assert 'filename="x.png"' in answer.headers["content-disposition"]


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("a/b\\c.png", "a_b_c.png"),
        ("\x00\u202egnp.exe", "__gnp.exe"),
        ("..", "unnamed"),
        ("...x.png. ", "x.png"),
        ("n" * 300 + ".png", None),
    ],
)
def test_names_are_cleaned(name: str, cleaned: str | None) -> None:
    result = clean_name(name)
    assert result == cleaned or (cleaned is None and len(result) <= 180 and result.endswith(".png"))


@pytest.mark.parametrize("name", ["../x.png", "a/../../x.png", "/etc/x.png", "..\\x.png", "C:/x.png"])
def test_zips_with_names_that_lead_out_are_refused(server: Server, name: str) -> None:
    client, state = server
    answer = send(client, ("x.zip", encode_zip({name: encode_picture()})))
    assert answer.status_code == 400
    assert "out of the archive" in answer.json()["detail"]
    require_clean(state)


def test_links_in_zips_are_refused(server: Server) -> None:
    client, _ = server
    link = zipfile.ZipInfo("x.png")
    link.external_attr = 0o120777 << 16
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert send(client, ("x.zip", file.getvalue())).status_code == 400


def test_bombs_are_refused(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    client, state = server
    zeros = encode_zip({"x.png": bytes(64 << 20)})
    assert len(zeros) < 1 << 17
    assert send(client, ("x.zip", zeros)).status_code == 413
    many = encode_zip({f"{i}.png": b"x" for i in range(6)})
    assert send(client, ("x.zip", many)).status_code == 413
    assert send(client, ("x.zip", encode_zip({f"{i}.txt": b"" for i in range(101)}))).status_code == 413
    monkeypatch.setenv("UNPAIRED_MAX_PIXELS", "1000")
    answer = send(client, ("large.png", encode_picture((100, 100))))
    assert answer.status_code == 422
    assert "1,000" in answer.json()["detail"]
    require_clean(state)


def test_large_bodies_are_refused(server: Server) -> None:
    client, _ = server
    assert send(client, ("x.png", bytes(2 << 20))).status_code == 413

    def chunks() -> Iterator[bytes]:
        for _ in range(40):
            yield bytes(1 << 16)

    headers = {"content-type": "multipart/form-data; boundary=x"}
    assert client.post("/v1/translate", content=chunks(), headers=headers).status_code == 413


@pytest.mark.parametrize(
    ("files", "fields", "status"),
    [
        ([("x.txt", b"text")], {}, 415),
        ([("x.wav", b"RIFF")], {}, 415),
        ([("x.png", b"no picture")], {}, 422),
        ([("x.png", b"")], {}, 422),
        ([("x.zip", b"no zip")], {}, 400),
        ([("x.zip", encode_zip({"x.txt": b"text"}))], {}, 400),
        ([], {}, 422),
        ([("x.png", encode_picture())], {"to": "drawings"}, 400),
        ([("x.png", encode_picture())], {"run": "../other"}, 404),
        ([("x.png", encode_picture())], {"checkpoint": "best"}, 400),
        ([("x.png", encode_picture())], {"options": "[1]"}, 400),
        ([("x.png", encode_picture())], {"options": "{"}, 400),
        ([("x.png", encode_picture())], {"options": '{"labels": "/etc/passwd"}'}, 400),
        ([("x.png", encode_picture())], {"options": '{"tag": false}'}, 400),
        ([("x.png", encode_picture())], {"options": '{"tile": "huge"}'}, 400),
    ],
)
def test_wrong_requests_are_explained(
    server: Server, tmp_path: Path, files: list[tuple[str, bytes]], fields: dict[str, str], status: int
) -> None:
    client, state = server
    answer = send(client, *files, **fields)
    assert answer.status_code == status, answer.text
    assert str(tmp_path) not in answer.text, "no path of the server"
    assert isinstance(answer.json()["detail"], str)
    require_clean(state)


def test_options_reach_the_pipeline(server: Server) -> None:
    client, _ = server
    answer = send(client, ("x.png", encode_picture((40, 36))), options='{"scale": "native"}')
    assert answer.status_code == 200
    assert Image.open(io.BytesIO(answer.content)).size == (40, 36)


def test_models_are_described_without_paths(server: Server, tmp_path: Path) -> None:
    client, _ = server
    answer = client.get("/v1/models")
    (model,) = answer.json()["models"]
    assert model["name"] == "photos-paintings"
    assert {"source": "photos", "target": "paintings"} in model["routes"]
    assert ".png" in model["suffixes"]
    assert model["checkpoints"] == ["last"]
    assert {"labels", "tag"}.isdisjoint(model["options"])
    for path in ("/v1/models", "/v1/models/verdict", "/v1/models/report", "/docs", "/openapi.json", "/metrics"):
        shown = client.get(path)
        assert shown.status_code == 200
        assert str(tmp_path) not in shown.text
    assert client.get("/v1/models/verdict").json()["verdicts"][0]["heading"] == "Not measured"
    assert client.get("/v1/models/report?run=other").status_code == 404


def test_two_runs_and_checkpoints(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / name / "run", seed=seed) for seed, name in enumerate("ab")]
    tensors, metadata = read_tensors(runs[0] / "model.safetensors")
    other = {name: tensor + 0.2 for name, tensor in tensors.items()}
    for path in (runs[0] / "model.safetensors", runs[1] / "best.safetensors"):
        write_tensors(path, other, {"method": metadata["method"], "step": "1"})
    with open_server(tmp_path, *runs) as (client, _):
        assert [model["name"] for model in client.get("/v1/models").json()["models"]] == ["run", "run-2"]
        fields = [{"run": "run"}, {"run": "run-2", "checkpoint": "best"}, {"run": "run-2", "checkpoint": "last"}]
        first, best, last = (send(client, ("x.png", encode_picture()), **f).content for f in fields)
    assert first == best
    assert best != last


def test_labels_combine(tmp_path: Path) -> None:
    run = make_run(tmp_path / "labelled", make_labelled_config())
    with open_server(tmp_path, run) as (client, _):
        (model,) = client.get("/v1/models").json()["models"]
        first, second = model["label_groups"][0][:2]
        whole = client.post("/v1/translate", files={"files": ("x.png", encode_picture())}, data={"to": first})
        part = client.post(
            "/v1/translate", files={"files": ("x.png", encode_picture())}, data={"to": f"{first}=0.5", "from": second}
        )
    assert whole.status_code == part.status_code == 200
    assert whole.content != part.content


def test_metrics_count_requests_and_files(server: Server) -> None:
    client, _ = server
    send(client, ("x.png", encode_picture()))
    send(client, ("x.png", b"no picture"))
    client.get("/v1/unknown/path")
    text = client.get("/metrics").text
    assert 'unpaired_requests_total{method="POST",route="/v1/translate",status="200"} 1.0' in text
    assert 'unpaired_requests_total{method="POST",route="/v1/translate",status="422"} 1.0' in text
    assert 'unpaired_requests_total{method="GET",route="other",status="404"} 1.0' in text
    assert 'unpaired_files_total{result="translated",run="photos-paintings"} 1.0' in text
    assert "unpaired_translation_seconds_bucket" in text


def test_tags_can_be_left_out(tmp_path: Path) -> None:
    with open_server(tmp_path, tag=False) as (client, _):
        answer = send(client, ("x.png", encode_picture()))
    assert "XML:com.adobe.xmp" not in Image.open(io.BytesIO(answer.content)).info


def test_report_can_be_kept_private(tmp_path: Path) -> None:
    with open_server(tmp_path, show_report=False) as (client, _):
        assert client.get("/v1/models/report").status_code == 404
        assert client.get("/v1/models/verdict").status_code == 200


def test_a_run_of_one_direction_needs_no_domain(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", config(method="cut"))
    with open_server(tmp_path, run) as (client, _):
        assert client.post("/v1/translate", files={"files": ("x.png", encode_picture())}).status_code == 200
