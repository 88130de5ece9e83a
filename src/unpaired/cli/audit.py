"""`unpaired audit`."""

from __future__ import annotations

from pathlib import Path

from unpaired.cli.arguments import (
    Parser,
    add_checkpoint_flag,
    add_device_flag,
    add_paths_argument,
    add_run_argument,
    get_summary,
    print_result,
)


def audit(argv: list[str]) -> int:
    """Measure how much of each input the translations of a run hide as imperceptible signal (steganography)."""
    from unpaired.console import log_to_terminal, progress_bar
    from unpaired.evaluation.audit import PROBE_STEPS
    from unpaired.evaluation.audit import audit as run_audit
    from unpaired.report.page import write_report
    from unpaired.runs.folder import RunFolder

    parser = Parser(prog="unpaired audit", description=get_summary(audit))
    add_run_argument(parser)
    add_paths_argument(parser, "data", "DATA", "folders to audit on instead of the run's items")
    parser.add_argument("--to", metavar="DOMAIN", help="audit the translations to this domain only")
    add_checkpoint_flag(parser)
    parser.add_argument(
        "--limit", type=int, default=100, metavar="N", help="maximum number of test items (default: 100)"
    )
    parser.add_argument(
        "--inverse-steps",
        type=int,
        default=PROBE_STEPS,
        metavar="N",
        help=f"training steps of each probe (default: {PROBE_STEPS}); more steps give a more reliable result",
    )
    add_device_flag(parser)
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of the noise and of the probes' initial weights (default: 0)"
    )
    args = parser.parse_all(argv)
    with progress_bar("training probes") as advance:
        result = run_audit(
            args.run,
            args.data,
            checkpoint=args.checkpoint,
            to=args.to,
            limit=args.limit,
            inverse_steps=args.inverse_steps,
            device=args.device,
            seed=args.seed,
            progress=advance,
        )
    print_result(f"{result.text()}\n\nFigure: {RunFolder(Path(result.run)).audit_image}")
    log_to_terminal(f"report: {write_report(result.run)}")
    return 0
