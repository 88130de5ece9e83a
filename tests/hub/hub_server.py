"""A server on the loopback that speaks as much of the Hugging Face Hub's API as uploads and downloads of runs need."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Files = dict[str, bytes]


class HubServer(ThreadingHTTPServer):
    """Repositories in memory: name -> commits, oldest first, each with all its files."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.commits: dict[str, list[tuple[str, Files]]] = {}
        self.damaged = False
        """Whether downloads lack the last bytes of a file, with headers that agree with them."""

    @property
    def address(self) -> str:
        """Address of the server."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def find(self, name: str, revision: str) -> tuple[str, Files] | None:
        """Return a commit and its files; `revision` is main or the beginning of a commit."""
        commits = self.commits.get(name, [])
        if revision == "main":
            return commits[-1] if commits else None
        return next((commit for commit in commits if commit[0] == revision), None)


class Handler(BaseHTTPRequestHandler):
    """Handler of one request."""

    server: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Print nothing."""

    def _send(self, code: int, content: Any = b"", **headers: str) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(code)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def do_HEAD(self) -> None:
        """Answer as GET does, without content."""
        self.do_GET()

    def do_GET(self) -> None:
        """Describe a revision, or send a file of it."""
        path = self.path.partition("?")[0]
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path):
            found = self.server.find(match[1], match[2] or "main")
            if found is None:
                code = "RevisionNotFound" if match[1] in self.server.commits else "RepoNotFound"
                self._send(404, {"error": code}, X_Error_Code=code)
                return
            siblings = [{"rfilename": name, "size": len(data)} for name, data in found[1].items()]
            self._send(200, {"id": match[1], "modelId": match[1], "sha": found[0], "siblings": siblings, "tags": []})
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/([^/]+)", path):
            found = self.server.find(match[1], match[2])
            entries = [
                {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                for name, data in (found[1] if found else {}).items()
            ]
            self._send(200, entries)
        elif match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            found = self.server.find(match[1], match[2])
            data = None if found is None else found[1].get(match[3])
            if found is None or data is None:
                self._send(404, {"error": "not found"}, X_Error_Code="EntryNotFound")
                return
            data = data[:-5] if self.server.damaged else data
            self._send(200, data, ETag=f'"{hashlib.sha1(data).hexdigest()}"', X_Repo_Commit=found[0])
        else:
            self._send(404, {"error": path})

    def do_POST(self) -> None:
        """Create a repository, or commit files to it."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.partition("?")[0]
        if path == "/api/validate-yaml":
            self._send(200, {"errors": [], "warnings": []})
        elif path == "/api/repos/create":
            wanted = json.loads(body)
            name = f"{wanted.get('organization') or 'me'}/{wanted['name']}"
            self.server.commits.setdefault(name, [])
            self._send(200, {"url": f"{self.server.address}/{name}"})
        elif re.search(r"/preupload/", path):
            files = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in json.loads(body)["files"]
            ]
            self._send(200, {"files": files})
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/main", path):
            self._commit(match[1], body)
        else:
            self._send(404, {"error": path})

    def _commit(self, name: str, body: bytes) -> None:
        commits = self.server.commits[name]
        files = dict(commits[-1][1]) if commits else {}
        for line in body.splitlines():
            entry = json.loads(line)
            if entry["key"] == "file":
                files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
        commit = hashlib.sha1(body).hexdigest()
        commits.append((commit, files))
        url = f"{self.server.address}/{name}/commit/{commit}"
        self._send(200, {"commitUrl": url, "commitOid": commit, "hookOutput": ""})


@contextmanager
def run_hub() -> Iterator[HubServer]:
    """Run a server in a thread."""
    server = HubServer()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
