"""Description of an exported model, stored as JSON in the metadata of its file. Imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationError

from unpaired.config.model_description import ModelDescription
from unpaired.data.domain import DOMAIN_KEYS
from unpaired.errors import WorkError
from unpaired.routes import Route

EXPORT_FORMAT = 1
"""Version of the description; it increases when older exported files can no longer be read."""
METADATA_KEY = "unpaired"
"""Key of the description in the metadata of an exported file."""
INPUT, LABEL, LABEL_MASK, OUTPUT = "x", "label", "label_mask", "y"
"""Names of the inputs and of the output of an exported network."""


class ExportedModel(ModelDescription):
    """Description of an exported file: what a translation needs, and the run that it was exported from."""

    format: int = EXPORT_FORMAT
    routes: tuple[tuple[str, str], ...] = Field(description="names of source and target of each translation")
    stride: int = Field(ge=1, description="heights and widths of the networks' inputs are multiples of it")
    precision: Literal["float32", "int8"] = "float32"
    checkpoint: str = Field(description="checkpoint of the run: last or best")
    step: int = Field(description="training step of the checkpoint")
    weights_digest: str = Field(description="SHA-256 of the run's weights")
    config_digest: str = Field(description="SHA-256 of the run's configuration as JSON with sorted keys")
    license: str | None = Field(None, description="licence of the model, as its owner states it")

    def list_routes(self) -> tuple[Route, ...]:
        """Return the routes with the keys of their domains."""
        key = {domain.name: DOMAIN_KEYS[i] for i, domain in enumerate(self.domains)}
        return tuple(Route(key[source], key[target], ()) for source, target in self.routes)


def parse_exported_model(text: str, path: object) -> ExportedModel:
    """Parse the description in the metadata of file `path`; raises WorkError if it is damaged or of another version."""
    try:
        model = ExportedModel.model_validate_json(text)
        model.list_routes()
    except (ValidationError, KeyError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else f"unknown domain {error}"
        raise WorkError(f"{path}: its metadata cannot be read ({reason}); export the model again") from error
    if model.format != EXPORT_FORMAT:
        raise WorkError(
            f"{path}: format {model.format}, but this version of unpaired reads format {EXPORT_FORMAT}; export the "
            "model again"
        )
    return model
