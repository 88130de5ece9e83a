"""Token, Host and Origin headers on every route."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("fastapi")

from servers import ADDRESS, TOKEN, encode_picture, open_server

from unpaired.cli.main import main
from unpaired.serve.errors import hide_paths

ROUTES = ("/", "/docs", "/openapi.json", "/healthz", "/metrics", "/v1/models", "/v1/models/report", "/unknown")


def test_token_guards_every_route(tmp_path: Path) -> None:
    with open_server(tmp_path, token=TOKEN) as (client, _):
        for path in ROUTES:
            for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {TOKEN}"}):
                assert client.get(path, headers=headers).status_code == 401, path
            assert client.get(path, headers={"cookie": "unpaired_session=wrong"}).status_code == 401
        assert client.post("/v1/translate", files={"files": ("x.png", encode_picture())}).status_code == 401
        right = {"authorization": f"Bearer {TOKEN}"}
        assert client.get("/v1/models", headers=right).status_code == 200
        assert client.get("/healthz", headers=right).json() == {"status": "ok"}


def test_login_page_sets_a_session(tmp_path: Path) -> None:
    with open_server(tmp_path, token=TOKEN) as (client, _):
        page = client.get("/", headers={"accept": "text/html"})
        assert page.status_code == 401
        assert 'action="/login"' in page.text
        assert "http" not in page.text.replace(ADDRESS, ""), "nothing from other servers"
        assert client.post("/login", data={"token": "wrong"}).status_code == 401
        assert client.post("/login", content=b"x" * 5000).status_code == 413
        answer = client.post("/login", data={"token": TOKEN})
        assert answer.status_code == 303
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert TOKEN not in cookie
        assert client.get("/v1/models").status_code == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:7860", 200),
        ("localhost", 200),
        ("[::1]:7860", 200),
        ("192.168.1.7:7860", 200),
        ("models.example.org", 200),
        ("evil.example.com", 421),
        ("127.0.0.1.evil.example.com", 421),
        ("", 421),
    ],
)
def test_other_host_names_are_refused(tmp_path: Path, host: str, status: int) -> None:
    with open_server(tmp_path, allowed_hosts=("models.example.org",)) as (client, _):
        assert client.get("/v1/models", headers={"host": host}).status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": ADDRESS}, 200),
        ({}, 200),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"origin": "http://127.0.0.1:8000"}, 403),
        ({"origin": "https://evil.example.com"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://[x"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
    ],
)
def test_requests_from_other_sites_are_refused(tmp_path: Path, headers: dict[str, str], status: int) -> None:
    with open_server(tmp_path) as (client, _):
        files = {"files": ("x.png", encode_picture())}
        answer = client.post("/v1/translate", files=files, data={"to": "paintings"}, headers=headers)
    assert answer.status_code == status


def test_answers_protect_browsers(tmp_path: Path) -> None:
    with open_server(tmp_path) as (client, _):
        for path in ("/docs", "/unknown", "/v1/models"):
            headers = client.get(path).headers
            assert "default-src 'self'" in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (["--host", "0.0.0.0"], "--no-auth"),
        (["--host", "192.168.1.7"], "UNPAIRED_TOKEN"),
        (["--token", "short"], "16"),
        (["--token", TOKEN, "--no-auth"], "--no-auth"),
        (["--port", "70000"], "65535"),
        (["--max-mb", "0"], "--max-mb"),
        (["--max-files", "-1"], "--max-files"),
    ],
)
def test_command_refuses_unsafe_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], flags: list[str], text: str
) -> None:
    monkeypatch.delenv("UNPAIRED_TOKEN", raising=False)
    assert main(["serve", str(tmp_path), *flags]) == 2
    assert text in capsys.readouterr().err


def test_command_needs_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", str(tmp_path / "missing"), "--no-page", "--port", "0"]) == 2
    assert "missing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("/srv/runs/a/x.png: broken", "a/x.png: broken"),
        ("/tmp/private/request-1/in/x.png: broken", "request-1/in/x.png: broken"),
        ("cannot open '/etc/unpaired/x.yaml'", "cannot open 'x.yaml'"),
        ("see https://example.org/a/b and 1/2", "see https://example.org/a/b and 1/2"),
        ("C:\\Users\\me\\x.png is large", "x.png is large"),
    ],
)
def test_paths_are_hidden(text: str, hidden: str) -> None:
    assert hide_paths(text, {"/tmp/private": "", "/srv/runs/a": "a"}) == hidden
