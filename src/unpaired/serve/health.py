"""Check of a server of this computer, for containers: `python -m unpaired.serve.health PORT`, exit code 0 or 1."""

from __future__ import annotations

import http.client
import os
import sys


def is_healthy(port: int) -> bool:
    """Return whether a server of this computer accepts translations; the token is that of UNPAIRED_TOKEN."""
    token = os.environ.get("UNPAIRED_TOKEN")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz", headers={"Authorization": f"Bearer {token}"} if token else {})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    raise SystemExit(0 if is_healthy(int(sys.argv[1])) else 1)
