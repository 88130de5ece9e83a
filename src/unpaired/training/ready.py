"""What a run needs before its first step: processes, data looked into, networks, batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from unpaired.data.batches import Batches
from unpaired.errors import UnreadableFile, UsageError
from unpaired.methods.game import Method
from unpaired.networks.pretrained import digests
from unpaired.runs.config import RunConfig, build_method
from unpaired.runs.files import Files, framing_of, walks
from unpaired.runs.folder import require_free
from unpaired.terminal import Say
from unpaired.training.prepare import choose_device, prepare
from unpaired.training.ranks import Ranks
from unpaired.training.resolve import Asked, resolve
from unpaired.training.teacher import with_teacher
from unpaired.training.trial import probe_precision

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True)
class Ready:
    """Everything that a run needs before it has a folder."""

    config: RunConfig
    files: Files
    network: Method
    batches: Batches
    ranks: Ranks
    say: Say


def make_ready(
    data: Sequence[Path | str],
    asked: Asked,
    pairs: bool,
    teacher: Path | str | None,
    out: Path | str | None,
    say: Say,
) -> Ready:
    """Look into the data and build what learns; a folder `out` that is taken is refused first."""
    wanted = resolve(asked, "small").training
    fabric, ranks = launched(choose_device(asked), wanted.devices, wanted.nodes)
    say = say if ranks.first else silent
    if out is not None:
        ranks.on_first(partial(require_free, Path(out)))  # before the data are read, which may take minutes
    prepared = ranks.on_first(partial(prepare, [Path(d) for d in data], asked, pairs, fabric.device, ranks.count, say))
    config = prepared.config
    if teacher is not None:
        config = ranks.on_first(partial(with_teacher, Path(teacher), config))
        say(f"teacher: {teacher}")
    with ranks.alike():
        network = seated(config, fabric)
    config = config.model_copy(update={"pretrained": config.pretrained | digests(network)})
    with ranks.alike():
        batches = batches_of(config, prepared.files, say)
    if config.training.precision == "auto":
        config = probe_precision(config, network, batches, ranks, say)
    return Ready(config, prepared.files, network, batches, ranks, say)


def launched(device: str, devices: int, nodes: int) -> tuple[Fabric, Ranks]:
    """Fabric with its processes started (by itself, torchrun or SLURM). Networks are not set up with it: see Ranks.

    Raises UsageError where these devices are not there, or others than were asked for have been started.
    """
    # here, for they take seconds that help, mistakes and looks into the data need not wait
    from lightning_fabric import Fabric  # noqa: PLC0415
    from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment  # noqa: PLC0415
    from lightning_fabric.utilities.exceptions import MisconfigurationException  # noqa: PLC0415

    if device not in ("cuda", "mps", "cpu"):
        raise UsageError(f"device '{device}': training runs on cpu, cuda or mps")
    many = devices * nodes > 1
    if TorchElasticEnvironment.detect() and (started := TorchElasticEnvironment().world_size()) != devices * nodes:
        raise UsageError(
            f"torchrun started {started} processes; --devices x --nodes is {devices} x {nodes}; make them equal"
        )
    try:
        fabric = Fabric(accelerator=device, devices=devices, num_nodes=nodes, strategy="ddp" if many else "auto")
        fabric.launch()
    except (MisconfigurationException, ValueError) as error:
        raise UsageError(f"{devices} devices of kind {device} on {nodes} nodes: {error}") from error
    return fabric, Ranks(fabric)


def seated(config: RunConfig, fabric: Fabric) -> Method:
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


def batches_of(config: RunConfig, files: Files, say: Say) -> Batches:
    """The run's batches; a file that fails later is named."""

    def named(error: UnreadableFile) -> None:
        say(f"replaced by the next file: {error}")

    training, framing = config.training, framing_of(config)
    return Batches(
        config.domains,
        files.sets,
        framing,
        training.seed,
        walks=walks(config, files, framing),
        workers=training.workers,
        bad=named,
    )


def silent(words: str) -> None:
    """Say nothing: the other ranks' voice."""
