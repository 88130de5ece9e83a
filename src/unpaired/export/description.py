"""Metadata of an exported file: its description as JSON, and texts for readers of the file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from unpaired import __version__
from unpaired.config.run_config import RunConfig
from unpaired.data.domain import Domain
from unpaired.media.interface import NetworkInput
from unpaired.methods.capabilities import LabelConditionedMethod
from unpaired.routes import Route
from unpaired.runs.folder import TrainedModel
from unpaired.translate.exported_model import EXPORT_FORMAT, LABEL, LABEL_MASK, METADATA_KEY, ExportedModel


def describe_model(model: TrainedModel, routes: Sequence[Route], license: str | None) -> ExportedModel:
    """Return the description of a model that is exported along `routes`, without the folders of its training data."""
    config = model.config
    return ExportedModel(
        format=EXPORT_FORMAT,
        unpaired_version=__version__,
        method=config.method,
        medium=config.medium,
        medium_settings=config.medium_settings,
        domains=tuple(Domain(name=d.name, sources=(), statistics=d.statistics) for d in config.domains),
        labels=model.method.labels if isinstance(model.method, LabelConditionedMethod) else None,
        routes=tuple((config.get_domain(r.source).name, config.get_domain(r.target).name) for r in routes),
        stride=model.method.stride,
        checkpoint=model.checkpoint,
        step=model.step,
        weights_digest=model.digest,
        config_digest=compute_config_digest(config),
        license=license,
    )


def compute_config_digest(config: RunConfig) -> str:
    """Return the SHA-256 of a configuration as JSON with sorted keys."""
    return hashlib.sha256(json.dumps(config.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()


def build_metadata(description: ExportedModel, network_input: NetworkInput) -> dict[str, str]:
    """Return the metadata of a file: the description for `unpaired translate`, and texts for other programs."""
    metadata = {
        METADATA_KEY: description.model_dump_json(),
        "routes": ", ".join(f"{source} -> {target}" for source, target in description.routes),
        "preprocessing": network_input.preprocessing,
        "postprocessing": network_input.postprocessing,
        "license": description.license or "not stated",
    }
    if description.labels is not None:
        metadata["labels"] = (
            f"{LABEL} (batch, {description.labels.size}): 0 to 1 for {', '.join(description.labels.values)}; NaN keeps "
            f"the model's estimate for the input. {LABEL_MASK}: 1 for the values in use, those of one data set; else 0."
        )
    return metadata
