"""`unpaired export`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from unpaired.cli.arguments import (
    Parser,
    add_checkpoint_flag,
    add_run_argument,
    add_source_flag,
    get_summary,
    print_result,
)

if TYPE_CHECKING:
    from unpaired.export.run import Export


def export(argv: list[str]) -> int:
    """Export a run's networks to a file: ONNX, TorchScript or OpenVINO."""
    from unpaired.export.run import export_run

    parser = Parser(prog="unpaired export", description=get_summary(export))
    add_run_argument(parser)
    parser.add_argument(
        "--format",
        dest="output_format",
        default="onnx",
        metavar="onnx|torchscript|openvino",
        help="format of the file; `unpaired translate` reads onnx and openvino (default: onnx)",
    )
    parser.add_argument(
        "--to",
        metavar="DOMAIN",
        help="domain to translate to, if the run translates to several; label-conditioned methods export all",
    )
    add_source_flag(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="file to write (default: RUN-to-DOMAIN.onnx)")
    add_checkpoint_flag(parser)
    parser.add_argument(
        "--int8",
        action="store_true",
        help="8-bit integers: smaller and faster, slightly different; calibrated with the run's training items",
    )
    parser.add_argument("--license", metavar="TEXT", help="licence of the model, for the file's metadata")
    parser.add_argument(
        "--verify",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="compare the file's outputs with the run's before writing it (default: on)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    args = parser.parse_all(argv)
    result = export_run(
        args.run,
        args.out,
        output_format=args.output_format,
        to=args.to,
        source=args.source,
        checkpoint=args.checkpoint,
        int8=args.int8,
        verify_outputs=args.verify,
        license=args.license,
        overwrite=args.overwrite,
    )
    print_result(format_export(result))
    return 0


def format_export(result: Export) -> str:
    """Return the lines that describe a written file: routes, and the results of the comparisons."""
    from unpaired.export.verification import MAX_DIFFERENCE

    lines = [f"Wrote {result.path}: " + ", ".join(f"{source} to {target}" for source, target in result.model.routes)]
    if result.verification is not None:
        lines.append(
            f"Verified: greatest difference to the run {result.verification.max_difference:.1e} on outputs in [-1, 1] "
            f"({result.verification.inputs} inputs; the limit is {MAX_DIFFERENCE})"
        )
    if result.quantization is not None and result.speedup is not None:
        lines.append(
            f"int8: PSNR to float32 {result.quantization.psnr_db:.1f} dB ({result.quantization.inputs} inputs); "
            f"{result.speedup:.1f} times as fast as float32 on this CPU"
        )
    return "\n".join(lines)
