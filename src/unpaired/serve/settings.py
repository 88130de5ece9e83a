"""Settings of the server: address, access and limits."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from unpaired.errors import UsageError

MIN_TOKEN_CHARACTERS = 16
"""Shorter tokens can be guessed."""


@dataclass(frozen=True)
class ServeSettings:
    """Address, access and limits of a server.

    Sizes are in bytes and times in seconds. `token` (None: open access) guards every route. Requests must name the
    server by an IP address, as localhost, or by one of `allowed_hosts`. At most `max_requests` requests with a body are
    in progress at once, and at most `max_queue` translations wait for each model. A translation takes at most
    `max_seconds`, its upload at most `upload_seconds` with `max_bytes` and `max_files`. Up to `batch_size` files of
    several requests are translated in one batch. `tag` marks outputs as synthetic in their metadata. `show_report`
    publishes the runs' reports, which may show training data; `show_page` the web page.
    """

    host: str = "127.0.0.1"
    port: int = 7860
    token: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    max_bytes: int = 64 << 20
    max_files: int = 100
    max_queue: int = 64
    max_requests: int = 128
    max_seconds: float = 300.0
    upload_seconds: float = 60.0
    stop_seconds: float = 60.0
    batch_size: int = 8
    tag: bool = True
    show_report: bool = True
    show_page: bool = True


def is_loopback(host: str) -> bool:
    """Whether an address to listen on can only be reached from this computer."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def require_access_control(host: str, token: str | None, no_auth: bool) -> None:
    """Raise UsageError for a weak token, and for an address that others can reach with neither token nor `no_auth`."""
    if token is not None and no_auth:
        raise UsageError("--no-auth: a token is set by --token or UNPAIRED_TOKEN; use one of the two")
    if token is not None and (len(token) < MIN_TOKEN_CHARACTERS or not token.isascii() or not token.isprintable()):
        raise UsageError(
            f"--token: has {len(token)} characters; expected at least {MIN_TOKEN_CHARACTERS} printable ASCII "
            "characters, for instance the output of: python -c 'import secrets; print(secrets.token_urlsafe())'"
        )
    if token is None and not no_auth and not is_loopback(host):
        raise UsageError(
            f"--host {host}: other computers can reach this address; protect it with --token TOKEN (or the variable "
            "UNPAIRED_TOKEN), or allow everybody with --no-auth"
        )
