"""Export of a run: write the networks to a file, compare the file with torch, and only then give it its name."""

from __future__ import annotations

import copy
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from unpaired.data.split import SplitName
from unpaired.errors import UsageError, WorkError
from unpaired.export.description import build_metadata, describe_model
from unpaired.export.formats import SUFFIXES, Format, create_runner, require_format, write_graph
from unpaired.export.graph import Graph, build_graph
from unpaired.export.items import load_items
from unpaired.export.quantization import CALIBRATION_ITEMS, measure_speedup, quantize, require_quantizer
from unpaired.export.verification import Verification, require_equal, require_similar, verify
from unpaired.file_names import shorten_name
from unpaired.hub.download import get_run_name, locate_run
from unpaired.media.interface import NetworkInput
from unpaired.methods.capabilities import LabelConditionedMethod
from unpaired.routes import Route
from unpaired.runs.folder import Checkpoint, RunFolder, TrainedModel, load_model
from unpaired.translate.exported_model import INPUT, ExportedModel
from unpaired.translate.exported_network import ExportedNetwork, GraphRunner
from unpaired.translate.network import FloatArray
from unpaired.translate.route_request import resolve_request
from unpaired.translate.torch_network import TorchNetwork

VERIFIED_ITEMS = 4
"""Number of real items that a verification compares."""


@dataclass(frozen=True)
class Export:
    """A written file, its description, and its verification (None without).

    For an integer network, `quantization` compares it with its float32 network, and `speedup` is the factor by which it
    is faster on this CPU, for one item.
    """

    path: Path
    model: ExportedModel
    verification: Verification | None
    quantization: Verification | None = None
    speedup: float | None = None


@dataclass(frozen=True)
class _Task:
    """Everything about one export that its steps share."""

    model: TrainedModel
    network_input: NetworkInput
    description: ExportedModel
    output_format: Format
    reference: TorchNetwork
    folder: RunFolder

    def create_network(self, runner: GraphRunner) -> ExportedNetwork:
        """Return the network of a written file."""
        return ExportedNetwork(runner, self.description)

    def load_items(self, split_name: SplitName, limit: int) -> list[FloatArray]:
        """Return up to `limit` items of the exported route's source, of a split of the run."""
        return load_items(self.folder, self.description.list_routes()[0].source, split_name, limit)


def export_run(
    run: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    output_format: str = "onnx",
    to: str | None = None,
    source: str | None = None,
    checkpoint: Checkpoint | None = None,
    int8: bool = False,
    verify_outputs: bool = True,
    license: str | None = None,
    overwrite: bool = False,
) -> Export:
    """Export a run's networks along one route, or all routes of a label-conditioned method.

    `out` defaults to the run's name and the target, in the current folder. With `verify_outputs`, the file's outputs
    are compared with the run's before it gets its name.

    Raises UsageError for an unknown format or route, a missing package, a method whose translation is no forward pass,
    and an existing `out` without `overwrite`; WorkError if torch cannot export the networks, or if the file's outputs
    differ from the run's. Then no file is written.
    """
    file_format = require_format(output_format)
    if int8:
        if file_format == "torchscript":
            raise UsageError("--int8: for --format onnx and openvino only")
        require_quantizer(file_format)
    run_folder = RunFolder(locate_run(run))
    model = load_model(run_folder.path, checkpoint)
    if model.method.export_refusal:
        raise UsageError(f"{run}: {model.config.method} {model.method.export_refusal}; it cannot be exported")
    routes = choose_routes(model, to, source)
    target = "" if len(routes) > 1 else f"-to-{model.config.get_domain(routes[0].target).name}"
    path = Path(out) if out is not None else Path(shorten_name(f"{get_run_name(run)}{target}{SUFFIXES[file_format]}"))
    require_free(path, file_format, overwrite)
    medium = model.config.get_medium()
    domains = [model.config.get_domain(key) for key in (routes[0].source, routes[0].target)]
    network_input = medium.describe_network_input(model.config, domains[0], domains[1], model.method.stride)
    description = describe_model(model, routes, license)
    if int8:
        description = description.model_copy(update={"precision": "int8"})
    # A copy, because the graph keeps only the roles that its route needs.
    reference = TorchNetwork(copy.deepcopy(model.method), torch.device("cpu"))
    task = _Task(model, network_input, description, file_format, reference, run_folder)
    graph = build_graph(model.method, routes[0], network_input)
    folder = path.parent if path.parent != Path() else Path.cwd()
    try:
        with tempfile.TemporaryDirectory(prefix=".unpaired-export-", dir=folder) as name:
            draft = Path(name) / path.name
            result = _write(task, graph, draft, int8, verify_outputs)
            for written in sorted(Path(name).iterdir(), reverse=True):  # .xml, the file to load, after its .bin
                written.replace(path.with_name(written.name))
    except OSError as error:
        raise WorkError(f"{path}: cannot be written ({error.strerror or error})") from error
    return Export(path, description, *result)


def choose_routes(model: TrainedModel, to: str | None, source: str | None) -> Sequence[Route]:
    """Return the routes to export; raises UsageError if `to` and `source` match none or several."""
    if isinstance(model.method, LabelConditionedMethod):
        if to is not None or source is not None:
            raise UsageError(
                f"--to, --from: leave them out; {model.config.method} is label-conditioned, so the exported file takes "
                "the labels as inputs"
            )
        return model.method.routes
    network = TorchNetwork(model.method, torch.device("cpu"))
    return [resolve_request(model.config, network, to, source).route]


def require_free(path: Path, output_format: Format, overwrite: bool) -> None:
    """Raise UsageError if `path` has a wrong suffix, is a folder, or exists and `overwrite` is false."""
    if path.suffix.lower() != SUFFIXES[output_format]:
        raise UsageError(f"--out {path}: expected a file name that ends with {SUFFIXES[output_format]}")
    if path.is_dir():
        raise UsageError(f"--out {path}: is a folder; expected a file name")
    if path.exists() and not overwrite:
        raise UsageError(f"{path}: exists; choose another --out, or replace it with --overwrite")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"--out {path}: the folder {path.parent} does not exist; create it first")


def _write(
    task: _Task, graph: Graph, draft: Path, int8: bool, verify_outputs: bool
) -> tuple[Verification | None, Verification | None, float | None]:
    """Write the file and verify it; returns the fields of `Export`."""
    metadata = build_metadata(task.description, task.network_input)
    write_graph(graph, task.output_format, draft, metadata)
    float_model = task.description.model_copy(update={"precision": "float32"})
    runner = create_runner(task.output_format, draft, graph.input_names, float_model)
    verification = None
    if verify_outputs:
        items = task.load_items("validation", VERIFIED_ITEMS)
        verification = verify(task.reference, task.create_network(runner), items, task.network_input)
        require_equal(verification)
    if not int8:
        return verification, None, None
    return verification, *_quantize(task, graph, draft, runner)


def _quantize(task: _Task, graph: Graph, draft: Path, float_runner: GraphRunner) -> tuple[Verification, float]:
    """Replace the float32 file `draft` by its integer network; returns its comparison with float32 and its speed."""
    items = task.load_items("train", CALIBRATION_ITEMS)
    if not items:
        raise UsageError(
            f"{task.folder.path}: --int8 calibrates with training items of "
            f"'{task.description.routes[0][0]}', but they are gone (a shared run has none); restore the folders, or "
            "export without --int8"
        )
    recorder = _FeedRecorder()
    network = task.create_network(recorder)
    for index, item in enumerate(items):
        network.translate(item[None], network.routes[index % len(network.routes)])
    quantized = draft.with_name(f"int8{draft.suffix}")
    quantize(task.output_format, draft, quantized, recorder.feeds, graph.input_names)
    for path in sorted(quantized.parent.glob("int8.*"), reverse=True):
        path.replace(draft.with_suffix(path.suffix))
    int_runner = create_runner(task.output_format, draft, graph.input_names, task.description)
    tested = task.load_items("validation", CALIBRATION_ITEMS) or items
    comparison = verify(task.create_network(float_runner), task.create_network(int_runner), tested, task.network_input)
    require_similar(comparison)
    return comparison, measure_speedup(float_runner, int_runner, recorder.feeds[0])


class _FeedRecorder:
    """Graph runner that records its inputs and returns `x` unchanged, for the calibration."""

    def __init__(self) -> None:
        self.feeds: list[dict[str, FloatArray]] = []

    def __call__(self, feeds: Mapping[str, FloatArray]) -> FloatArray:
        self.feeds.append(dict(feeds))
        return feeds[INPUT]
