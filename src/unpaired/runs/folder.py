"""Run folder: its paths, its name, and saving and loading of trained models."""

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
from unpaired.file_names import shorten_name, suggest_path
from unpaired.methods.base import Method
from unpaired.runs.method_builder import build_method
from unpaired.runs.progress import list_checkpoints
from unpaired.runs.weights import collect_state, load_state, read_tensors, write_tensors

Checkpoint = Literal["last", "best"]
MAX_NAMED_DOMAINS, MAX_NAME_BYTES = 4, 200
"""Largest number of domains in a folder's name, and of its bytes (file systems allow 255)."""


def format_run_name(domains: Sequence[str]) -> str:
    """Return the folder name of a run: the domains' names, or the first four and the number of the others."""
    unnamed_count = len(domains) - MAX_NAMED_DOMAINS
    name_parts = domains if unnamed_count <= 0 else [*domains[:MAX_NAMED_DOMAINS], f"{unnamed_count}-more"]
    return shorten_name("-".join(name_parts), MAX_NAME_BYTES)


def require_unused(path: Path) -> None:
    """Raise UsageError if `path` is a file or a folder that is not empty, so that a new run cannot use it."""
    if path.is_file():
        raise UsageError(f"{path}: is a file; choose another --out")
    if path.is_dir() and any(path.iterdir()):
        run = RunFolder(path)
        if not run.config.is_file():
            raise UsageError(f"{path}: exists and is not empty; choose another --out")
        if list_checkpoints(run.checkpoints):
            raise UsageError(
                f"{path}: contains a run; choose another --out, or continue it with --resume {shlex.quote(str(path))}"
            )
        if run.model_path("last").exists():
            raise UsageError(f"{path}: contains a run; choose another --out")
        raise UsageError(
            f"{path}: contains a run without checkpoint and model; choose another --out, or remove the folder"
        )


def next_free_path(base: Path) -> Path:
    """Return `base`, or the first of base-2, base-3, ... that does not exist."""
    paths = (base if n == 1 else base.with_name(f"{base.name}-{n}") for n in range(1, 10_000))
    return next(path for path in paths if not path.exists())


def require_writable(path: Path) -> None:
    """Raise WorkError if `path` is a folder without write permission."""
    if path.is_dir() and not os.access(path, os.W_OK):
        raise WorkError(f"{path}: is not writable, but results are written into it; copy the run to a writable folder")


@dataclass(frozen=True)
class RunFolder:
    """Paths within the folder of a run."""

    path: Path

    @property
    def config(self) -> Path:
        """Resolved configuration."""
        return self.path / "config.yaml"

    @property
    def checkpoints(self) -> Path:
        """Checkpoints for resuming, one folder per saved step."""
        return self.path / "checkpoints"

    @property
    def files(self) -> Path:
        """Lists of the files that the run uses, one list per domain."""
        return self.path / "files"

    def file_list_path(self, domain: str) -> Path:
        """Return the path of the file list of a domain."""
        return self.files / shorten_name(f"{domain}.tsv")

    def labels_path(self, source: str) -> Path:
        """Return the path of the label table of a labelled data set."""
        return self.files / shorten_name(f"{source}.labels.csv")

    @property
    def samples(self) -> Path:
        """Sample grids: input, translation, reconstruction."""
        return self.path / "samples"

    @property
    def tensorboard(self) -> Path:
        """TensorBoard event files."""
        return self.path / "log"

    @property
    def history(self) -> Path:
        """Records as JSON lines: losses, evaluations, samples, notices."""
        return self.path / "history.jsonl"

    @property
    def evaluation(self) -> Path:
        """Result of the last `unpaired evaluate`."""
        return self.path / "evaluation.json"

    @property
    def nearest_items(self) -> Path:
        """Translations of the last evaluation beside their nearest training items, and a list of them."""
        return self.path / "nearest"

    @property
    def report_clips(self) -> Path:
        """Test clips of the last evaluation beside their translations, and a list of them."""
        return self.path / "clips"

    @property
    def listening_samples(self) -> Path:
        """Audio samples of the last evaluation: original and converted utterances, and a list of them."""
        return self.path / "listening"

    @property
    def audit(self) -> Path:
        """Result of the last audit for hidden information (steganography)."""
        return self.path / "audit.json"

    @property
    def audit_image(self) -> Path:
        """Image of that audit: translations, their imperceptible signal, and the inputs reconstructed from them."""
        return self.path / "audit.png"

    @property
    def report(self) -> Path:
        """HTML report."""
        return self.path / "report.html"

    def model_path(self, checkpoint: Checkpoint) -> Path:
        """Return the path of the translating networks: the last ones, or the best by the validation metric."""
        return self.path / ("best.safetensors" if checkpoint == "best" else "model.safetensors")

    def load_config(self) -> RunConfig:
        """Read the configuration; raises UsageError if the folder is not a run, WorkError if the file is damaged."""
        if not self.config.is_file():
            missing = "" if self.path.exists() else suggest_path(self.path)
            raise UsageError(
                f"{self.path}: not a run (it has no config.yaml){missing}; expected a folder written by "
                "`unpaired train`"
            )
        return read_config(self.config)


@dataclass(frozen=True)
class TrainedModel:
    """Trained model: the configuration of its run, and its method in eval mode with the translating roles loaded.

    `digest` is the SHA-256 of the weights.
    """

    config: RunConfig
    method: Method
    checkpoint: Checkpoint
    step: int
    digest: str


def save_model(path: Path, method: Method, config: RunConfig, step: int) -> None:
    """Write the translating roles of `method` (of its EMA) atomically to `path`; raises WorkError if this fails."""
    metadata = {"format": str(config.format), "method": config.method, "step": str(step)}
    write_tensors(path, collect_state(method, method.translation_roles), metadata)


def load_model(path: Path, checkpoint: Checkpoint | None = None) -> TrainedModel:
    """Load a run's model from its folder; if `checkpoint` is None, the best one if it exists, else the last one.

    With None, a damaged file causes a warning (UnpairedWarning) if the other one is intact, which is then used. Raises
    UsageError if `path` is not a run or has no such checkpoint, WorkError if its files are damaged or of another
    method.
    """
    if checkpoint not in (None, *get_args(Checkpoint)):
        raise UsageError(f"checkpoint '{checkpoint}'; expected {' or '.join(get_args(Checkpoint))}")
    folder = RunFolder(path)
    if not path.exists():
        raise UsageError(f"{path}: no such folder{suggest_path(path)}; expected a folder written by `unpaired train`")
    config = folder.load_config()
    if checkpoint is not None:
        if checkpoint == "best" and not folder.model_path("best").exists():
            raise UsageError(
                f"{path}: this run has no best checkpoint (not evaluated, or too few validation items); use "
                "--checkpoint last"
            )
        return _load_checkpoint(folder, config, checkpoint)
    if not folder.model_path("best").exists():
        return _load_checkpoint(folder, config, "last")
    return _load_intact_checkpoint(folder, config)


def _load_intact_checkpoint(folder: RunFolder, config: RunConfig) -> TrainedModel:
    """Load the best model, or the last one if the best is damaged; warns if one of them is damaged."""
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
            advice = f"`unpaired train --resume {shlex.quote(str(folder.path))}` writes it again from the checkpoint"
            warnings.warn(
                UnpairedWarning(f"{best.name} of {folder.path} is intact and is used, but {error}; {advice}"),
                stacklevel=3,
            )
    return model


def _load_checkpoint(folder: RunFolder, config: RunConfig, checkpoint: Checkpoint) -> TrainedModel:
    file = folder.model_path(checkpoint)
    if not file.exists():
        advice = f"`unpaired train --resume {shlex.quote(str(folder.path))}` writes it again from a checkpoint"
        raise WorkError(f"{file}: there is no such file; training saves it with its first checkpoint, and {advice}")
    tensors, metadata = read_tensors(file)
    if metadata.get("method") != config.method:
        raise WorkError(f"{file}: checkpoint of method '{metadata.get('method')}', but this run is '{config.method}'")
    method = build_method(config, include_teacher=False)
    load_state(method, tensors, file, method.translation_roles)
    method.requires_grad_(False).eval()
    step = metadata.get("step", "0")
    return TrainedModel(config, method, checkpoint, int(step) if step.isdecimal() else 0, metadata["digest"])
