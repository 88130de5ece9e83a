"""What a run needs before its first step: processes, data looked into, networks, batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from unpaired.config.resolve import SettingsRequest, resolve_settings
from unpaired.config.run_config import RunConfig, build_method
from unpaired.console import LogCallback
from unpaired.data.batches import BatchLoader
from unpaired.errors import UnreadableFileError, UsageError
from unpaired.methods.base import Method
from unpaired.networks.pretrained import collect_digests
from unpaired.runs.files import RunFiles, build_batch_sampler, build_item_transform
from unpaired.runs.folder import require_unused
from unpaired.training.distributed import Distributed
from unpaired.training.run_plan import choose_device, plan_run
from unpaired.training.step_benchmark import choose_precision
from unpaired.training.teacher import add_teacher

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True)
class TrainingSetup:
    """Everything that a run needs before it has a folder."""

    config: RunConfig
    files: RunFiles
    method: Method
    batches: BatchLoader
    distributed: Distributed
    log: LogCallback


def setup_training(
    data: Sequence[Path | str],
    request: SettingsRequest,
    pairs: bool,
    teacher: Path | str | None,
    out: Path | str | None,
    log: LogCallback,
) -> TrainingSetup:
    """Look into the data and build what learns; a folder `out` that is taken is refused first."""
    training_settings = resolve_settings(request, "small").training
    fabric, distributed = launch_distributed(choose_device(request), training_settings.devices, training_settings.nodes)
    log = log if distributed.is_first else discard_message
    if out is not None:
        distributed.run_on_first(partial(require_unused, Path(out)))  # before the data are read, which may take minutes
    plan = distributed.run_on_first(
        partial(plan_run, [Path(d) for d in data], request, pairs, fabric.device, distributed.world_size, log)
    )
    config = plan.config
    if teacher is not None:
        config = distributed.run_on_first(partial(add_teacher, Path(teacher), config))
        log(f"teacher: {teacher}")
    with distributed.report_errors_once():
        method = build_on_device(config, fabric)
    config = config.model_copy(update={"pretrained": config.pretrained | collect_digests(method)})
    with distributed.report_errors_once():
        batches = build_batches(config, plan.files, log)
    if config.training.precision == "auto":
        config = choose_precision(config, method, batches, distributed, log)
    return TrainingSetup(config, plan.files, method, batches, distributed, log)


def launch_distributed(device: str, devices: int, nodes: int) -> tuple[Fabric, Distributed]:
    """Fabric with its processes started (by itself, torchrun or SLURM). Networks are not set up with it: see Ranks.

    Raises UsageError where these devices are not there, or others than were asked for have been started.
    """
    # here, for they take seconds that help, mistakes and looks into the data need not wait
    from lightning_fabric import Fabric  # noqa: PLC0415
    from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment  # noqa: PLC0415
    from lightning_fabric.utilities.exceptions import MisconfigurationException  # noqa: PLC0415

    if device not in ("cuda", "mps", "cpu"):
        raise UsageError(f"device '{device}': training runs on cpu, cuda or mps")
    is_distributed = devices * nodes > 1
    if (
        TorchElasticEnvironment.detect()
        and (process_count := TorchElasticEnvironment().world_size()) != devices * nodes
    ):
        raise UsageError(
            f"torchrun started {process_count} processes; --devices x --nodes is {devices} x {nodes}; make them equal"
        )
    try:
        fabric = Fabric(
            accelerator=device, devices=devices, num_nodes=nodes, strategy="ddp" if is_distributed else "auto"
        )
        fabric.launch()
    except (MisconfigurationException, ValueError) as error:
        raise UsageError(f"{devices} devices of kind {device} on {nodes} nodes: {error}") from error
    return fabric, Distributed(fabric)


def build_on_device(config: RunConfig, fabric: Fabric) -> Method:
    """The run's method on its device, from its seed, laid out and compiled as the settings say."""
    training = config.training
    if fabric.device.type == "cpu" and training.threads is not None:
        torch.set_num_threads(training.threads)
    torch.manual_seed(training.seed)
    method = build_method(config).to(fabric.device)
    if training.memory_format == "channels_last":
        method = method.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if training.compile:
        for role in {role for player in method.players.values() for role in player.roles}:
            method.get_submodule(role).compile()
    return method


def build_batches(config: RunConfig, files: RunFiles, log: LogCallback) -> BatchLoader:
    """The run's batches; a file that fails later is named."""

    def log_replacement(error: UnreadableFileError) -> None:
        log(f"replaced by the next file: {error}")

    training, transform = config.training, build_item_transform(config)
    return BatchLoader(
        config.domains,
        files.splits,
        transform,
        training.seed,
        batch_sampler=build_batch_sampler(config, files, transform),
        workers=training.workers,
        on_unreadable=log_replacement,
    )


def discard_message(message: str) -> None:
    """Say nothing: the other ranks' voice."""
