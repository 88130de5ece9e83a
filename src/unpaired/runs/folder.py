"""A run's folder: what is in it, and how a trained model is loaded from it."""

from __future__ import annotations

import os
import shlex
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from unpaired.config.run_config import RunConfig, read_config
from unpaired.errors import UnpairedWarning, UsageError, WorkError
from unpaired.file_names import shorten_name
from unpaired.methods.base import Method
from unpaired.runs.method_builder import build_method
from unpaired.runs.progress import list_checkpoints
from unpaired.runs.weights import collect_state, load_state, read_tensors, write_tensors

Checkpoint = Literal["last", "best"]
MAX_NAMED_DOMAINS, MAX_NAME_BYTES = 4, 200
"""Domains that a folder's name tells, and its bytes: file systems take 255."""


def format_run_name(domains: Sequence[str]) -> str:
    """What the folder of a run of these domains is called; of many the first, and how many more."""
    rest = len(domains) - MAX_NAMED_DOMAINS
    name_parts = domains if rest <= 0 else [*domains[:MAX_NAMED_DOMAINS], f"{rest}-more"]
    return shorten_name("-".join(name_parts), MAX_NAME_BYTES)


def require_unused(path: Path) -> None:
    """Raise UsageError where a new run cannot take the folder `path`, as it is a file or has something in it."""
    if path.is_file():
        raise UsageError(f"{path}: is a file; choose another --out")
    if path.is_dir() and any(path.iterdir()):
        run = RunFolder(path)
        if not run.config.is_file():
            raise UsageError(f"{path}: exists and is not empty; choose another --out")
        if list_checkpoints(run.checkpoints):
            raise UsageError(
                f"{path}: holds a run; choose another --out, or continue it with --resume {shlex.quote(str(path))}"
            )
        if run.model_path("last").exists():
            raise UsageError(f"{path}: holds a run; choose another --out")
        raise UsageError(
            f"{path}: holds a run without checkpoint and model; choose another --out, or remove that folder"
        )


def next_free_path(base: Path) -> Path:
    """`base`, or the first of base-2, base-3 and so on that does not exist."""
    paths = (base if n == 1 else base.with_name(f"{base.name}-{n}") for n in range(1, 10_000))
    return next(path for path in paths if not path.exists())


def require_writable(path: Path) -> None:
    """Raise WorkError where nothing can be written into a folder that is there."""
    if path.is_dir() and not os.access(path, os.W_OK):
        raise WorkError(f"{path}: is not writable, and what is found is written into it; copy the run elsewhere")


@dataclass(frozen=True)
class RunFolder:
    """The paths within a run's folder."""

    path: Path

    @property
    def config(self) -> Path:
        """The resolved configuration."""
        return self.path / "config.yaml"

    @property
    def checkpoints(self) -> Path:
        """All that resuming needs, a folder per saved step."""
        return self.path / "checkpoints"

    @property
    def files(self) -> Path:
        """The lists of the files that the run uses, one per domain."""
        return self.path / "files"

    def file_list_path(self, domain: str) -> Path:
        """The list of one domain's files."""
        return self.files / shorten_name(f"{domain}.tsv")

    def labels_path(self, source: str) -> Path:
        """The labels of one labelled data set's files."""
        return self.files / shorten_name(f"{source}.labels.csv")

    @property
    def samples(self) -> Path:
        """Grids of samples: input, translation, reconstruction."""
        return self.path / "samples"

    @property
    def tensorboard(self) -> Path:
        """TensorBoard's event files."""
        return self.path / "log"

    @property
    def history(self) -> Path:
        """One JSON line per record: terms, evaluations, notices."""
        return self.path / "history.jsonl"

    @property
    def evaluation(self) -> Path:
        """The measures of the last evaluation after training."""
        return self.path / "evaluation.json"

    @property
    def listening_samples(self) -> Path:
        """Sentences of the last evaluation of recordings, as they were and converted, and a list of them."""
        return self.path / "listening"

    @property
    def audit(self) -> Path:
        """What the last audit found of hidden information."""
        return self.path / "audit.json"

    @property
    def audit_image(self) -> Path:
        """What that audit shows: translations, their faint signal, and what is read from them."""
        return self.path / "audit.png"

    @property
    def report(self) -> Path:
        """The page to look at."""
        return self.path / "report.html"

    def model_path(self, checkpoint: Checkpoint) -> Path:
        """The translating networks: the last state, or the one whose KID on held-back items was lowest."""
        return self.path / ("best.safetensors" if checkpoint == "best" else "model.safetensors")

    def load_config(self) -> RunConfig:
        """The run's configuration; raises UsageError where this is no run, WorkError where it is damaged."""
        if not self.config.is_file():
            raise UsageError(
                f"{self.path}: not a run (it has no config.yaml); expected a folder that `unpaired train` made"
            )
        return read_config(self.config)


@dataclass(frozen=True)
class TrainedModel:
    """A trained model: its run's configuration, its method with the translating roles loaded (in eval), which
    checkpoint it is, its step and the digest of its file.
    """

    config: RunConfig
    method: Method
    checkpoint: Checkpoint
    step: int
    digest: str


def save_model(path: Path, method: Method, config: RunConfig, step: int) -> None:
    """Write the translating roles of `method` (their running average) to `path`, whole or not at all."""
    metadata = {"format": str(config.format), "method": config.method, "step": str(step)}
    write_tensors(path, collect_state(method, method.translation_roles), metadata)


def load_model(path: Path, checkpoint: Checkpoint | None = None) -> TrainedModel:
    """Load a run's model from its folder; `checkpoint` None takes the best where there is one, else the last.

    Then a damaged file beside a whole one is named in a warning, and the whole one is used. Raises
    UsageError where the path is no run or has no such checkpoint, and WorkError where its files are damaged or of
    another method.
    """
    if checkpoint not in (None, *get_args(Checkpoint)):
        raise UsageError(f"checkpoint '{checkpoint}'; expected {' or '.join(get_args(Checkpoint))}")
    folder = RunFolder(path)
    if not path.exists():
        raise UsageError(f"{path}: no such folder; expected a run, as `unpaired train` makes it")
    config = folder.load_config()
    if checkpoint is not None:
        if checkpoint == "best" and not folder.model_path("best").exists():
            raise UsageError(f"{path}: this run has no best checkpoint (nothing was evaluated); use --checkpoint last")
        return _load_checkpoint(folder, config, checkpoint)
    if not folder.model_path("best").exists():
        return _load_checkpoint(folder, config, "last")
    return _load_whole_checkpoint(folder, config)


def _load_whole_checkpoint(folder: RunFolder, config: RunConfig) -> TrainedModel:
    """Load the best model, or the last one where the best is damaged; warn of a damaged one beside it."""
    best, last = folder.model_path("best"), folder.model_path("last")
    try:
        model = _load_checkpoint(folder, config, "best")
    except WorkError as error:
        try:
            model = _load_checkpoint(folder, config, "last")
        except WorkError:
            raise error from None
        warnings.warn(UnpairedWarning(f"{error}; {last.name} is used instead"), stacklevel=3)
        return model
    if last.exists():
        try:
            read_tensors(last)
        except WorkError as error:
            advice = f"`unpaired train --resume {shlex.quote(str(folder.path))}` writes it anew from the checkpoint"
            warnings.warn(
                UnpairedWarning(f"{best.name} of {folder.path} is used and is whole, but {error}; {advice}"),
                stacklevel=3,
            )
    return model


def _load_checkpoint(folder: RunFolder, config: RunConfig, checkpoint: Checkpoint) -> TrainedModel:
    file = folder.model_path(checkpoint)
    if not file.exists():
        raise WorkError(f"{folder.path}: no model has been saved yet; training saves one with its first checkpoint")
    tensors, metadata = read_tensors(file)
    if metadata.get("method") != config.method:
        raise WorkError(f"{file}: a checkpoint of method '{metadata.get('method')}', but this run is '{config.method}'")
    method = build_method(config, include_teacher=False)
    load_state(method, tensors, file, method.translation_roles)
    method.requires_grad_(False).eval()
    step = metadata.get("step", "0")
    return TrainedModel(config, method, checkpoint, int(step) if step.isdecimal() else 0, metadata["digest"])
