"""`unpaired audit`."""

from __future__ import annotations

from pathlib import Path

from unpaired.cli.arguments import Parser, get_summary, print_result


def audit(argv: list[str]) -> int:
    """Measure how much of their inputs a run's translations hide in imperceptible signal (steganography)."""
    from unpaired.console import progress_bar
    from unpaired.evaluation.audit import PROBE_STEPS
    from unpaired.evaluation.audit import audit as run_audit
    from unpaired.report.page import write_report
    from unpaired.runs.folder import RunFolder

    parser = Parser(prog="unpaired audit", description=get_summary(audit))
    parser.add_argument("run", type=Path, metavar="RUN", help="a run's folder, as `unpaired train` made it")
    parser.add_argument("--to", metavar="DOMAIN", help="audit the translations to this domain only")
    parser.add_argument("--checkpoint", choices=("last", "best"), help="default: the best where there is one")
    parser.add_argument("--limit", type=int, default=100, metavar="N", help="held-out items at most (default: 100)")
    parser.add_argument(
        "--inverse-steps",
        type=int,
        default=PROBE_STEPS,
        metavar="N",
        help=f"training steps of each probe (default: {PROBE_STEPS}); more steps make the figure more reliable",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--seed", type=int, default=0, help="seed of the noise and of the probes (default: 0)")
    args = parser.parse_all(argv)
    with progress_bar("training probes") as advance:
        result = run_audit(
            args.run,
            checkpoint=args.checkpoint,
            to=args.to,
            limit=args.limit,
            inverse_steps=args.inverse_steps,
            device=args.device,
            seed=args.seed,
            progress=advance,
        )
    print_result(f"{result.text()}\n\nfigure: {RunFolder(args.run).audit_image}")
    write_report(args.run)
    return 0
