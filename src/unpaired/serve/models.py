"""Models of a server: the translators of each run, its description, and its worker."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, Field
from pydantic.fields import FieldInfo

from unpaired.config.run_config import RunConfig
from unpaired.errors import UnpairedError, UsageError
from unpaired.hub.download import PREFIX, locate_run
from unpaired.labels import LabelGroup
from unpaired.media.base import Medium
from unpaired.runs.folder import Checkpoint, RunFolder
from unpaired.serve.errors import RequestError, hide_paths
from unpaired.serve.settings import ServeSettings
from unpaired.serve.storage import PrivateFolder
from unpaired.serve.worker import Job, ModelWorker
from unpaired.translate.base import BaseTranslator
from unpaired.translate.loading import load_translator
from unpaired.translate.route_request import TranslationRequest


class RouteDescription(BaseModel):
    """One translation of a model."""

    source: str = Field(description="domain of the inputs; the parameter `from`")
    target: str = Field(description="domain of the outputs; the parameter `to`")


class ModelInfo(BaseModel):
    """Description of a model."""

    name: str = Field(description="the parameter `run`")
    method: str
    medium: str
    domains: list[str]
    routes: list[RouteDescription]
    label_groups: list[list[str]] = Field(
        description="groups of domains that exclude each other, of a label-conditioned model: one of each group can be "
        "combined in `to`, as A,B or A=0.7; empty for other models"
    )
    takes_any_source: bool = Field(description="whether inputs need not belong to a domain of the model")
    checkpoints: list[str] = Field(description="values of the parameter `checkpoint`; the first is the default")
    suffixes: list[str] = Field(description="suffixes of accepted files, besides .zip")
    options: dict[str, str] = Field(description="names of the parameter `options`, with their meaning")


class ServedModel:
    """A run with its translators, which are loaded when they are first used, and a worker."""

    def __init__(self, name: str, run: Path, device: str, settings: ServeSettings, storage: PrivateFolder) -> None:
        self.name, self.device, self.settings, self.storage = name, device, settings, storage
        self.path = locate_run(run) if str(run).startswith(PREFIX) else run
        self._translators: dict[str, BaseTranslator] = {}
        self._loading = threading.Lock()
        self.translator = load_translator(self.path, None, device)
        self.medium: Medium = self.translator.config.get_medium()
        names = {str(self.path): name, str(self.path.resolve()): name, str(storage.path): ""}
        self.public_names: Mapping[str, str] = names
        self.worker = ModelWorker(
            name,
            lambda: storage.create_folder("batch"),
            self.public_names,
            max_waiting=settings.max_queue,
            batch_size=settings.batch_size,
        )

    @property
    def is_run(self) -> bool:
        """Whether the model is a run's folder, not an exported file."""
        return isinstance(self.translator.config, RunConfig)

    @property
    def checkpoints(self) -> list[Checkpoint]:
        """Checkpoints of a run, the default first; empty for an exported file."""
        folder = RunFolder(self.path)
        names: tuple[Checkpoint, ...] = ("best", "last")
        return [name for name in names if self.is_run and folder.model_path(name).is_file()]

    @property
    def options(self) -> Mapping[str, FieldInfo]:
        """Options of a translation that clients may set: those of the medium that name no file."""
        fields = self.medium.translate_options_model.model_fields
        return {name: info for name, info in fields.items() if name != "tag" and not _is_path(info.annotation)}

    def describe(self) -> ModelInfo:
        """Return the model's description."""
        groups: Sequence[LabelGroup] = (
            () if self.translator.network.labels is None else (self.translator.network.labels.groups)
        )
        return ModelInfo(
            name=self.name,
            method=self.translator.config.method,
            medium=self.translator.config.medium,
            domains=list(self.translator.domains),
            routes=[RouteDescription(source=source, target=target) for source, target in self.translator.routes],
            label_groups=[list(group.domains) for group in groups],
            takes_any_source=self.translator.network.takes_any_source,
            checkpoints=list(self.checkpoints),
            suffixes=sorted(self.medium.input_suffixes),
            options={name: info.description or "" for name, info in self.options.items()},
        )

    def create_job(
        self,
        inputs: Path,
        outputs: Path,
        count: int,
        *,
        to: str | None,
        source: str | None,
        checkpoint: str | None,
        options: Mapping[str, Any],
    ) -> Job:
        """Return the job of a request; raises RequestError if its parameters are wrong. May load a checkpoint."""
        try:
            translator = self._get_translator(checkpoint)
            request = self._resolve(translator, to, source, options)
            translator.create_pipeline(request)
        except UsageError as error:
            raise RequestError(400, hide_paths(str(error), self.public_names)) from error
        except UnpairedError as error:
            raise RequestError(500, hide_paths(str(error), self.public_names)) from error
        key = (checkpoint, to, source, repr(sorted(options.items())))
        return Job(inputs, outputs, count, key, translator, request)

    def _resolve(
        self, translator: BaseTranslator, to: str | None, source: str | None, options: Mapping[str, Any]
    ) -> TranslationRequest:
        unknown = sorted(options.keys() - self.options.keys())
        if unknown:
            known = ", ".join(self.options) or "none"
            raise UsageError(f"options: '{unknown[0]}' is unknown; expected some of: {known}")
        return translator.resolve_request(to or None, source or None, {**options, "tag": self.settings.tag})

    def _get_translator(self, checkpoint: str | None) -> BaseTranslator:
        """Return the translator of a checkpoint (None: the default one); raises UsageError if there is none."""
        if not checkpoint or (self.checkpoints and checkpoint == self.checkpoints[0]):
            return self.translator
        known = self.checkpoints
        found = next((name for name in known if name == checkpoint), None)
        if found is None:
            expected = " or ".join(known) or "none: an exported file contains one model"
            raise UsageError(f"checkpoint '{checkpoint}'; expected {expected}")
        with self._loading:
            if found not in self._translators:
                self._translators[found] = load_translator(self.path, found, self.device)
            return self._translators[found]


class ServedModels:
    """The models of a server by name, in the order of the command line; the first is the default."""

    def __init__(self, runs: Sequence[Path], device: str, settings: ServeSettings, storage: PrivateFolder) -> None:
        self.by_name: dict[str, ServedModel] = {}
        for run in runs:
            name = _choose_name(run, self.by_name)
            self.by_name[name] = ServedModel(name, run, device, settings, storage)

    def get(self, name: str | None) -> ServedModel:
        """Return a model (None or empty: the first); raises RequestError for an unknown name."""
        if not name:
            return next(iter(self.by_name.values()))
        if name not in self.by_name:
            raise RequestError(404, f"run '{name}': expected one of {', '.join(self.by_name)}")
        return self.by_name[name]

    @property
    def is_idle(self) -> bool:
        """Whether no translation is waiting or running."""
        return all(model.worker.is_idle for model in self.by_name.values())

    def close(self) -> None:
        """Finish waiting translations and end the workers."""
        for model in self.by_name.values():
            model.worker.close()


def _choose_name(run: Path, used: Mapping[str, object]) -> str:
    """Return a name for a run: its folder's, its file's without suffix, or that on the hub; with a number if needed."""
    text = str(run)
    name = (
        text.removeprefix(PREFIX)
        if text.startswith(PREFIX)
        else (run.resolve().stem if run.is_file() else run.resolve().name)
    )
    return next(choice for n in range(1, 1 << 20) if (choice := name if n == 1 else f"{name}-{n}") not in used)


def _is_path(annotation: Any) -> bool:
    """Whether values of a type are paths; clients must not name files of the server."""
    return annotation is Path or any(_is_path(part) for part in get_args(annotation))
