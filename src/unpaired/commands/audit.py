"""`unpaired audit`."""

from __future__ import annotations

from pathlib import Path

from unpaired.commands.parser import Parser, first_line, out


def audit(words: list[str]) -> int:
    """Ask whether a run's translations hide their inputs in signal that eyes do not see."""
    from unpaired.evaluation.audit import STEPS
    from unpaired.evaluation.audit import audit as examine
    from unpaired.report import write_report
    from unpaired.runs.folder import RunFolder
    from unpaired.terminal import progress_bar

    parser = Parser(prog="unpaired audit", description=first_line(audit))
    parser.add_argument("run", type=Path, metavar="RUN", help="a run's folder, as `unpaired train` made it")
    parser.add_argument("--to", metavar="DOMAIN", help="audit the translations to this domain only")
    parser.add_argument("--checkpoint", choices=("last", "best"), help="default: the best where there is one")
    parser.add_argument("--limit", type=int, default=100, metavar="N", help="held-out items at most (default: 100)")
    parser.add_argument(
        "--inverse-steps",
        type=int,
        default=STEPS,
        metavar="N",
        help=f"steps that each reader of translations is taught (default: {STEPS}); more make the figure safer",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--seed", type=int, default=0, help="of the noise and of the readers (default: 0)")
    asked = parser.parse(words)
    with progress_bar("teaching readers") as advance:
        found = examine(
            asked.run,
            checkpoint=asked.checkpoint,
            to=asked.to,
            limit=asked.limit,
            inverse_steps=asked.inverse_steps,
            device=asked.device,
            seed=asked.seed,
            progress=advance,
        )
    out(f"{found.text()}\n\nto look at: {RunFolder(asked.run).audit_picture}")
    write_report(asked.run)
    return 0
