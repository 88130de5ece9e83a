"""Typed models of the settings that every medium and method shares: data, networks and training.

A medium adds settings in `media/*/settings.py`, a method in its signature. Defaults are the papers' (CycleGAN's if
papers differ). Settings that are "auto" are resolved before training begins; the result is the run's config.yaml.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

Auto = Literal["auto"]
Norm = Literal["instance", "instance-affine", "group", "batch", "none"]
MAX_STEPS, MAX_MINUTES, MAX_BATCH = 10**12, 1e7, 1 << 16
"""Largest budgets, intervals and batches; computations with more could overflow, or never end."""
Preset = Literal["tiny", "small", "paper"]


class StrictModel(BaseModel):
    """Immutable settings or records; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    ignored_if: ClassVar[Mapping[str, tuple[str, Any]]] = {}
    """Setting -> (other setting, value): the setting has no effect while the other one has this value; giving it is
    then an error.
    """

    @field_validator("*", mode="before")
    @classmethod
    def _match_choice(cls, value: Any, info: ValidationInfo) -> Any:
        """Convert a choice such as 16000 or "3", which may be a number (YAML) or text (flag), to the declared type."""
        choices = get_args(cls.model_fields[info.field_name or ""].annotation)
        return next((c for c in choices if isinstance(c, int | str) and str(c) == str(value)), value)


class DataSettings(StrictModel):
    """Division of file collections into domains and splits."""

    attributes: tuple[str, ...] = Field(
        (),
        description="columns of a folder's label table that become domains, as black|blond|brown,glasses "
        "(| joins mutually exclusive values)",
    )
    holdout_fraction: float = Field(
        0.1, ge=0, le=0.5, description="fraction of each domain held out for validation, and again for test"
    )
    split_seed: int | None = Field(
        None,
        ge=0,
        lt=2**63,
        description="seed of the split and of the items that are measured; unset: --seed. Give it to compare runs with "
        "different --seed on the same items",
    )

    def get_split_seed(self, training_seed: int) -> int:
        """Return the seed of the split, which is that of the training unless it was given."""
        return training_seed if self.split_seed is None else self.split_seed


class NetworkSettings(StrictModel):
    """Network settings of every medium."""

    width: int = Field(
        64, ge=1, description="channels of a generator's first layer (ngf); more channels are slower and can learn more"
    )
    blocks: int | None = Field(
        None,
        ge=0,
        le=1000,
        description="residual blocks of a generator; unset: the medium's default (pictures: 9 above 128 px, else 6)",
    )
    norm: Norm = Field(
        "instance", description="normalization of generators and of the patch discriminator; batch needs --ema-decay 0"
    )
    residual: bool | Auto = Field(
        False,
        description="generators predict a change that is added to their input; auto: on if the domains' intensity "
        "histograms match",
    )
    discriminator: Literal["patch", "light"] = Field(
        "patch", description="discriminator: patch (PatchGAN) or light (fewer layers, several views of the item)"
    )
    discriminator_width: int = Field(64, ge=1, description="channels of a discriminator's first layer (ndf)")


class TrainingSettings(StrictModel):
    """Budget, optimization, device, and intervals of checkpoints and evaluations."""

    steps: int | None = Field(
        None,
        ge=1,
        le=MAX_STEPS,
        description="training budget in steps; the preset paper without a budget: 200 times through the larger domain",
    )
    minutes: float | None = Field(
        None,
        gt=0,
        le=MAX_MINUTES,
        description="training budget in minutes of training steps; evaluations are not counted",
    )
    batch_size: int = Field(
        1,
        ge=1,
        le=MAX_BATCH,
        description="items of each domain per step, summed over devices and accumulated micro-batches",
    )
    grad_accumulation: int = Field(
        1, ge=1, description="micro-batches per device and step; raise it if a batch does not fit into memory"
    )
    seed: int = Field(
        0,
        ge=0,
        lt=2**63,
        description="seed of all random numbers; equal seeds give equal runs. --precision auto can choose differently "
        "in equal runs: for bit-identical repetitions give a precision, as --precision fp32",
    )
    lr_decay_start: float = Field(
        0.5, ge=0, le=1, description="fraction of the budget after which learning rates fall linearly to zero"
    )
    ema_decay: float = Field(
        0.999,
        ge=0,
        lt=1,
        description="decay of the exponential moving average (EMA) of the translating networks; 0: no EMA",
    )
    device: str = Field("auto", description="auto, cpu, cuda or mps")
    devices: int = Field(1, ge=1, description="devices (ranks) per node")
    nodes: int = Field(1, ge=1, description="nodes")
    precision: Literal["auto", "fp32", "bf16-mixed", "fp16-mixed"] = Field(
        "auto", description="numeric precision; auto: a short benchmark on this device chooses the fastest"
    )
    memory_format: Literal["contiguous", "channels_last"] = Field(
        "contiguous", description="memory layout of tensors; channels_last is faster on many CPUs and GPUs"
    )
    compile: bool = Field(False, description="compile the networks with torch.compile; slow to start")
    threads: int | None = Field(
        None, ge=1, description="CPU threads; unset: the cores available to this process, divided among the ranks"
    )
    workers: int | None = Field(None, ge=0, description="threads that decode files; unset: 1 on a CPU, else up to 8")
    checkpoint_every: int | None = Field(
        None, ge=1, le=MAX_STEPS, description="steps between checkpoints; unset: one about every 2 minutes"
    )
    evaluate_every: int | None = Field(
        None,
        ge=0,
        le=MAX_STEPS,
        description="steps between evaluations on the validation split; unset: under a tenth of the time; 0: none",
    )
    patience: int | None = Field(
        None,
        ge=1,
        description="stop after this many evaluations without a better validation metric; unset: train to the end of "
        "the budget",
    )
    sample_every: int | None = Field(
        None,
        ge=0,
        le=MAX_STEPS,
        description="steps between grids of sample translations; unset: about 20 a run; 0: none",
    )
    logger: Literal["wandb", "trackio", "mlflow"] | None = Field(
        None,
        description="experiment tracker that gets losses, metrics and samples beside TensorBoard; needs "
        "unpaired[wandb], unpaired[trackio] or unpaired[mlflow]",
    )
    divergence_threshold: float = Field(
        1e4, gt=0, description="training stops as diverged when a loss exceeds this value"
    )
