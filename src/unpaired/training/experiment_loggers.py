"""Experiment trackers beside TensorBoard: Weights & Biases, Trackio and MLflow, one adapter each."""

from __future__ import annotations

import os
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from unpaired.config.run_config import RunConfig
from unpaired.console import LogCallback
from unpaired.errors import UsageError, WorkError
from unpaired.packages import import_package
from unpaired.runs.folder import RunFolder

LoggerName = Literal["wandb", "trackio", "mlflow"]
PROJECT_VARIABLE = "UNPAIRED_PROJECT"
"""Environment variable with the tracker's project (MLflow: experiment)."""
DEFAULT_PROJECT = "unpaired"
_ID_FILE = "experiment-id.txt"


class ExperimentLogger(ABC):
    """Writer of scalars and sample grids to a tracker. A resumed run continues its record there."""

    @abstractmethod
    def log_scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Log values of a step by name, as `losses/generators.cycle`."""

    @abstractmethod
    def log_image(self, step: int, name: str, path: Path) -> None:
        """Log a picture file."""

    @abstractmethod
    def close(self) -> None:
        """Send what is pending, and end the record."""


class WandbLogger(ExperimentLogger):
    """Weights & Biases; `WANDB_MODE=offline` writes to the run's folder only."""

    def __init__(self, folder: RunFolder, config: RunConfig) -> None:
        self._wandb = import_logger("wandb")
        self._run = self._wandb.init(
            project=get_project(),
            name=folder.path.name,
            id=read_record_id(folder, lambda: secrets.token_hex(8)),
            resume="allow",
            dir=str(folder.tensorboard),
            config=describe_config(config),
        )
        # A resumed run repeats steps, which the tracker's own counter forbids.
        self._run.define_metric("*", step_metric="step")

    def log_scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Log values of a step."""
        self._run.log({"step": step, **values})

    def log_image(self, step: int, name: str, path: Path) -> None:
        """Log a picture file."""
        self._run.log({"step": step, name: self._wandb.Image(str(path))})

    def close(self) -> None:
        """End the record."""
        self._run.finish()


class TrackioLogger(ExperimentLogger):
    """Trackio, which keeps records on this computer (`TRACKIO_DIR`) unless a space is set."""

    def __init__(self, folder: RunFolder, config: RunConfig) -> None:
        self._trackio = import_logger("trackio")
        name = f"{folder.path.name}-{read_record_id(folder, lambda: secrets.token_hex(4))}"
        self._trackio.init(
            project=get_project(), name=name, resume="allow", config=describe_config(config), embed=False
        )

    def log_scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Log values of a step."""
        self._trackio.log(dict(values), step=step)

    def log_image(self, step: int, name: str, path: Path) -> None:
        """Log a picture file."""
        self._trackio.log({name: self._trackio.Image(str(path))}, step=step)

    def close(self) -> None:
        """End the record."""
        self._trackio.finish()


class MlflowLogger(ExperimentLogger):
    """MLflow; `MLFLOW_TRACKING_URI` says where records are kept.

    Without it they are in a database in the working folder, which needs the package `mlflow`: the extra installs
    `mlflow-skinny`, a client of servers.
    """

    def __init__(self, folder: RunFolder, config: RunConfig) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # statistics on the use of MLflow
        client_module = import_logger("mlflow")
        self._client = client_module.MlflowClient()
        experiment = self._client.get_experiment_by_name(get_project())
        experiment_id = experiment.experiment_id if experiment else self._client.create_experiment(get_project())

        def create() -> str:
            run = self._client.create_run(experiment_id, run_name=folder.path.name)
            for name, value in describe_config(config).items():
                self._client.log_param(run.info.run_id, name, str(value)[:500])
            return str(run.info.run_id)

        self._run_id = read_record_id(folder, create)
        self._client.update_run(self._run_id, status="RUNNING")

    def log_scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Log values of a step."""
        for name, value in values.items():
            self._client.log_metric(self._run_id, clean_metric_name(name), value, step=step)

    def log_image(self, step: int, name: str, path: Path) -> None:  # noqa: ARG002 - the file's name has the step
        """Log a picture file as an artifact."""
        self._client.log_artifact(self._run_id, str(path), "samples")

    def close(self) -> None:
        """End the record."""
        self._client.set_terminated(self._run_id)


_LOGGERS: Mapping[LoggerName, type[ExperimentLogger]] = {
    "wandb": WandbLogger,
    "trackio": TrackioLogger,
    "mlflow": MlflowLogger,
}


_ADVICE: Mapping[LoggerName, str] = {
    "wandb": "log in with `wandb login`, or set WANDB_MODE=offline",
    "trackio": "check TRACKIO_DIR",
    "mlflow": "set MLFLOW_TRACKING_URI to a server that runs, or `pip install mlflow` to keep records on this computer",
}


class GuardedLogger(ExperimentLogger):
    """Logger that stops at the first error of its tracker, with a line to `log`: a lost server ends no training."""

    def __init__(self, name: LoggerName, logger: ExperimentLogger, log: LogCallback) -> None:
        self._name, self._log = name, log
        self._logger: ExperimentLogger | None = logger

    def log_scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Log values of a step."""
        self._call(lambda logger: logger.log_scalars(step, values))

    def log_image(self, step: int, name: str, path: Path) -> None:
        """Log a picture file."""
        self._call(lambda logger: logger.log_image(step, name, path))

    def close(self) -> None:
        """End the record."""
        self._call(lambda logger: logger.close())

    def _call(self, function: Callable[[ExperimentLogger], None]) -> None:
        if self._logger is None:
            return
        try:
            function(self._logger)
        except Exception as error:  # trackers raise errors of many libraries
            self._logger = None
            self._log(f"note: --logger {self._name}: failed ({_format_reason(error)}); training continues without it")


def create_logger(
    name: LoggerName | None, folder: RunFolder, config: RunConfig, log: LogCallback
) -> ExperimentLogger | None:
    """Return the tracker's logger; None without a name.

    Raises UsageError if its package is missing, WorkError if the tracker fails, for instance without login.
    """
    if name is None:
        return None
    try:
        logger = _LOGGERS[name](folder, config)  # type: ignore[call-arg]
    except UsageError:
        raise
    except Exception as error:
        raise WorkError(f"--logger {name}: failed ({_format_reason(error)}); {_ADVICE[name]}") from error
    return GuardedLogger(name, logger, log)


def require_logger(name: LoggerName | None) -> None:
    """Raise UsageError, before training, if the package of a tracker is missing."""
    if name is not None:
        import_logger(name)


def import_logger(name: LoggerName) -> Any:
    """Import a tracker's package; its extra has the same name."""
    assert name in get_args(LoggerName)
    return import_package(name, f"--logger {name}", name)


def _format_reason(error: Exception) -> str:
    """Return the first line of an error's text, or its type."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def get_project() -> str:
    """Return the tracker's project."""
    return os.environ.get(PROJECT_VARIABLE) or DEFAULT_PROJECT


def describe_config(config: RunConfig) -> dict[str, Any]:
    """Return the settings of a run by name, as `training.batch_size`, without paths of this computer."""
    values: dict[str, Any] = {
        "method": config.method,
        "preset": config.preset,
        "domains": ", ".join(domain.name for domain in config.domains),
    }
    for section in ("method_settings", "medium_settings", "networks", "training"):
        for name, value in getattr(config, section).model_dump(mode="json").items():
            values[f"{section}.{name}"] = value
    return values


def read_record_id(folder: RunFolder, create: Callable[[], str]) -> str:
    """Return the identifier of the run's record, which is created once and kept for resuming."""
    path = folder.tensorboard / _ID_FILE
    if path.is_file() and (text := path.read_text(encoding="utf-8").strip()):
        return text
    identifier = create()
    path.parent.mkdir(exist_ok=True)
    path.write_text(identifier + "\n", encoding="utf-8")
    return identifier


def clean_metric_name(name: str) -> str:
    """Replace the characters that MLflow forbids in names."""
    return "".join(character if character.isalnum() or character in "_-. /" else "-" for character in name)
