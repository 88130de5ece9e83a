"""`unpaired serve`."""

from __future__ import annotations

import os
from pathlib import Path

from unpaired.cli.arguments import Parser, add_device_flag, get_summary

TOKEN_VARIABLE = "UNPAIRED_TOKEN"
MEBIBYTE = 1 << 20
DEFAULT_MAX_PIXELS, DEFAULT_MAX_HOURS = 50_000_000, 1.0
"""Limits of one file for strangers' files, below those of the other commands."""


def serve(argv: list[str]) -> int:
    """Serve runs: a web page and an HTTP API that translate uploaded files."""
    from unpaired.console import log_to_terminal
    from unpaired.limits import MAX_HOURS_VARIABLE, MAX_PIXELS_VARIABLE
    from unpaired.packages import import_package
    from unpaired.serve.settings import ServeSettings, require_access_control

    defaults = ServeSettings()
    parser = Parser(prog="unpaired serve", description=get_summary(serve))
    parser.add_argument(
        "runs",
        nargs="+",
        type=Path,
        metavar="RUN",
        help="folders of runs, files that `unpaired export` wrote, or hf:USER/NAME",
    )
    parser.add_argument(
        "--host", default=defaults.host, metavar="ADDRESS", help=f"address to listen on (default: {defaults.host})"
    )
    parser.add_argument(
        "--port", type=int, default=defaults.port, metavar="N", help=f"port; 0: any (default: {defaults.port})"
    )
    parser.add_argument(
        "--token",
        metavar="TEXT",
        help=f"secret that every request needs; better in the variable {TOKEN_VARIABLE}, which other users cannot read",
    )
    parser.add_argument(
        "--no-auth", action="store_true", help="serve without a token on an address that other computers can reach"
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="host name under which the server is reached, besides localhost and IP addresses; may be repeated",
    )
    add_device_flag(parser)
    parser.add_argument(
        "--batch-size",
        type=int,
        default=defaults.batch_size,
        metavar="N",
        help=f"files per batch, also of several requests (default: {defaults.batch_size})",
    )
    parser.add_argument(
        "--max-mb",
        type=float,
        default=defaults.max_bytes / MEBIBYTE,
        metavar="N",
        help=f"largest upload in MiB (default: {defaults.max_bytes / MEBIBYTE:g})",
    )
    parser.add_argument(
        "--max-files",
        type=int,
        default=defaults.max_files,
        metavar="N",
        help=f"most files of a request (default: {defaults.max_files})",
    )
    parser.add_argument(
        "--max-queue",
        type=int,
        default=defaults.max_queue,
        metavar="N",
        help=f"most waiting translations of a model (default: {defaults.max_queue})",
    )
    parser.add_argument(
        "--max-requests",
        type=int,
        default=defaults.max_requests,
        metavar="N",
        help=f"most uploads and translations in progress at once (default: {defaults.max_requests})",
    )
    parser.add_argument(
        "--max-seconds",
        type=float,
        default=defaults.max_seconds,
        metavar="S",
        help=f"longest time of a translation, with waiting (default: {defaults.max_seconds:g})",
    )
    parser.add_argument("--no-tag", action="store_true", help="do not mark outputs as synthetic in their metadata")
    parser.add_argument(
        "--no-report", action="store_true", help="do not publish the runs' reports, which may show training data"
    )
    parser.add_argument("--no-page", action="store_true", help="API only, without the web page")
    args = parser.parse_all(argv)
    for variable, value in ((MAX_PIXELS_VARIABLE, DEFAULT_MAX_PIXELS), (MAX_HOURS_VARIABLE, DEFAULT_MAX_HOURS)):
        os.environ.setdefault(variable, str(value))
    for name in ("batch_size", "max_mb", "max_files", "max_queue", "max_requests", "max_seconds"):
        if not getattr(args, name) > 0:
            parser.error(f"--{name.replace('_', '-')} {getattr(args, name)}: expected a number above 0")
    if not 0 <= args.port < 1 << 16:
        parser.error(f"--port {args.port}: expected 0 to 65535")
    token = args.token or os.environ.get(TOKEN_VARIABLE) or None
    require_access_control(args.host, token, args.no_auth)
    for package in ("fastapi", "uvicorn", "python_multipart", "prometheus_client"):
        import_package(package, "serve", "serve")
    if not args.no_page:
        import_package("gradio", "the web page (--no-page serves the API alone)", "serve")
    from unpaired.serve.server import serve as start

    settings = ServeSettings(
        host=args.host,
        port=args.port,
        token=token,
        allowed_hosts=tuple(args.allow_host),
        max_bytes=int(args.max_mb * MEBIBYTE),
        max_files=args.max_files,
        max_queue=args.max_queue,
        max_requests=args.max_requests,
        max_seconds=args.max_seconds,
        batch_size=args.batch_size,
        tag=not args.no_tag,
        show_report=not args.no_report,
        show_page=not args.no_page,
    )
    start(args.runs, args.device, settings, log_to_terminal)
    return 0
