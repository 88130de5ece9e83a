"""A run's folder: what is in it, and how a trained model is loaded from it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from unpaired.errors import UsageError, WorkError
from unpaired.methods.game import Method
from unpaired.runs.config import RunConfig, build_method, read_config
from unpaired.runs.progress import saved_steps
from unpaired.runs.weights import owned, read_tensors, restore, write_tensors

Checkpoint = Literal["last", "best"]
MOST_NAMED, LONGEST = 4, 200
"""Domains that a folder's name tells, and its bytes: file systems take 255."""


def called(domains: Sequence[str]) -> str:
    """What the folder of a run of these domains is called; of many the first, and how many more."""
    rest = len(domains) - MOST_NAMED
    named = domains if rest <= 0 else [*domains[:MOST_NAMED], f"{rest}-more"]
    return "-".join(named).encode(errors="surrogateescape")[:LONGEST].decode(errors="ignore")


def require_free(path: Path) -> None:
    """Raise UsageError where a new run cannot take the folder `path`, as it is a file or has something in it."""
    if path.is_file():
        raise UsageError(f"{path}: is a file; choose another --out")
    if path.is_dir() and any(path.iterdir()):
        run = RunFolder(path)
        if not run.config.is_file():
            raise UsageError(f"{path}: exists and is not empty; choose another --out")
        if saved_steps(run.checkpoints):
            raise UsageError(f"{path}: holds a run; choose another --out, or continue it with --resume {path}")
        if run.model("last").exists():
            raise UsageError(f"{path}: holds a run; choose another --out")
        raise UsageError(
            f"{path}: holds a run without checkpoint and model; choose another --out, or remove that folder"
        )


def numbered(base: Path) -> Path:
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

    def list_of(self, domain: str) -> Path:
        """The list of one domain's files."""
        return self.files / f"{domain}.tsv"

    def labels_of(self, source: str) -> Path:
        """The labels of one labelled data set's files."""
        return self.files / f"{source}.labels.csv"

    @property
    def samples(self) -> Path:
        """Grids of samples: input, translation, reconstruction."""
        return self.path / "samples"

    @property
    def log(self) -> Path:
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
    def listening(self) -> Path:
        """Sentences of the last evaluation of recordings, as they were and converted, and a list of them."""
        return self.path / "listening"

    @property
    def audit(self) -> Path:
        """What the last audit found of hidden information."""
        return self.path / "audit.json"

    @property
    def audit_picture(self) -> Path:
        """What that audit shows: translations, their faint signal, and what is read from them."""
        return self.path / "audit.png"

    @property
    def report(self) -> Path:
        """The page to look at."""
        return self.path / "report.html"

    def model(self, which: Checkpoint) -> Path:
        """The translating networks: the last state, or the one whose KID on held-back items was lowest."""
        return self.path / ("best.safetensors" if which == "best" else "model.safetensors")

    def configuration(self) -> RunConfig:
        """The run's configuration; raises UsageError where this is no run, WorkError where it is damaged."""
        if not self.config.is_file():
            raise UsageError(
                f"{self.path}: not a run (it has no config.yaml); expected a folder that `unpaired train` made"
            )
        return read_config(self.config)


@dataclass(frozen=True)
class Model:
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
    about = {"format": str(config.format), "method": config.method, "step": str(step)}
    write_tensors(path, owned(method, method.translators), about)


def load_model(path: Path, which: Checkpoint | None = None) -> Model:
    """Load a run's model from its folder; `which` None takes the best where there is one, else the last.

    Raises UsageError where the path is no run or has no such checkpoint, and WorkError where its files are damaged or
    of another method.
    """
    if which not in (None, *get_args(Checkpoint)):
        raise UsageError(f"checkpoint '{which}'; expected {' or '.join(get_args(Checkpoint))}")
    folder = RunFolder(path)
    if not path.exists():
        raise UsageError(f"{path}: no such folder; expected a run, as `unpaired train` makes it")
    config = folder.configuration()
    if which is None:
        which = "best" if folder.model("best").exists() else "last"
    file = folder.model(which)
    if not file.exists():
        if which == "best":
            raise UsageError(f"{path}: this run has no best checkpoint (nothing was evaluated); use --checkpoint last")
        raise WorkError(f"{path}: no model has been saved yet; training saves one with its first checkpoint")
    tensors, about = read_tensors(file)
    if about.get("method") != config.method:
        raise WorkError(f"{file}: a checkpoint of method '{about.get('method')}', but this run is '{config.method}'")
    method = build_method(config, taught=False)
    restore(method, tensors, file, method.translators)
    method.requires_grad_(False).eval()
    return Model(config, method, which, int(about.get("step", "0")), about["digest"])
