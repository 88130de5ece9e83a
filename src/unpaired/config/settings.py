"""Every setting of data, networks and training, with its default, as typed models. A method's are its signature.

Defaults are the papers' (CycleGAN's where papers differ); `presets.py` says what each preset changes. "auto" is
resolved before training begins, and the resolved settings are the run's config.yaml.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

Auto = Literal["auto"]
Medium = Literal["image", "voice"]
Norm = Literal["instance", "instance-affine", "group", "batch", "none"]
Antialias = bool | Literal["down", "up"]
Padding = Literal["reflect", "zeros"]
AugmentPolicy = Literal["color", "translation", "cutout"]


class StrictModel(BaseModel):
    """A group of settings: unknown keys are errors, and a resolved group does not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    ignored_if: ClassVar[Mapping[str, tuple[str, Any]]] = {}
    """Settings that do nothing while another one, named here, has this value: to give them then is an error."""

    @field_validator("*", mode="before")
    @classmethod
    def _match_choice(cls, value: Any, info: ValidationInfo) -> Any:
        """A command line gives numbers as text, and a YAML file text like "3" as a number: either names the choice."""
        choices = get_args(cls.model_fields[info.field_name or ""].annotation)
        return next((c for c in choices if isinstance(c, int | str) and str(c) == str(value)), value)


class DataSettings(StrictModel):
    """How files become batches."""

    size: int = Field(256, ge=8, le=4096, description="side of the square images that the networks see, in pixels")
    resize_mode: Literal["scale", "crop"] | Auto = Field(
        "auto", description="scale: shrink the shorter side to --size; crop: cut squares at the pictures' own scale"
    )
    load_size_ratio: float = Field(
        286 / 256, ge=1, le=2, description="training with scale enlarges the frame by this and crops at random"
    )
    flip: bool = Field(True, description="mirror half the items left to right")
    channels: Literal["auto", "1", "3"] = Field(
        "auto", description="channels of the networks; auto: 3 if any is coloured"
    )
    attributes: tuple[str, ...] = Field(
        (), description="columns of the table beside a folder to learn, as black|blond|brown,glasses (| excludes)"
    )
    holdout_fraction: float = Field(
        0.1, ge=0, le=0.5, description="share of each domain held back to choose the best, and to test"
    )


class NetworkSettings(StrictModel):
    """What the roles are made of."""

    ignored_if = {"antialias": ("generator", "light"), "discriminator_layers": ("discriminator", "light")}

    generator: Literal["resnet", "light"] = Field(
        "resnet", description="form of the generators (and encoders, decoders)"
    )
    width: int = Field(64, ge=1, description="channels of the first layer of a generator (ngf)")
    blocks: int | None = Field(None, ge=0, description="residual blocks; unset: 9 above 128 px, else 6")
    norm: Norm = Field(
        "instance", description="normalisation of generators and of the patch critic; batch needs --ema-decay 0"
    )
    padding: Padding = Field("reflect", description="padding of the stride-1 convolutions of generators")
    antialias: Antialias = Field(
        False, description="resnet generators blur where they halve and double the size (true, or one: down, up)"
    )
    residual: bool | Auto = Field(
        False,
        description="generators and light coders add to their input; auto: where the domains' values are alike",
    )
    discriminator: Literal["patch", "light"] = Field("patch", description="form of the critics")
    discriminator_width: int = Field(64, ge=1, description="channels of the first layer of a critic (ndf)")
    discriminator_layers: int = Field(3, ge=1, le=6, description="strided layers of the patch critic")
    augment: tuple[AugmentPolicy, ...] | Auto = Field(
        (),
        description="augmentation of what critics see: color, translation, cutout; auto: by the size of the collection",
    )


class VoiceSettings(StrictModel):
    """How recordings are seen, and the networks that only voices have."""

    ignored_if = {
        **dict.fromkeys(("sample_rate", "mcep_order", "f0_floor", "f0_ceil"), ("representation", "mel")),
        "vocoder": ("representation", "world"),
    }

    representation: Literal["world", "mel"] = Field(
        "world", description="world: mel-cepstra, F0 apart; mel: 80 log-mel bands for a neural vocoder"
    )
    sample_rate: Literal[16000, 24000, 32000, 48000] = Field(16000, description="of world, in Hz (mel has 22050)")
    mcep_order: int = Field(24, ge=8, le=80, description="mel-cepstral coefficients of world")
    f0_floor: float = Field(71.0, ge=40, le=2000, description="lowest F0 that world looks for, in Hz")
    f0_ceil: float = Field(800.0, ge=40, le=2000, description="highest F0 that world looks for, in Hz")
    vocoder: str = Field(
        "auto", description="what makes sounds of mel: auto, hifigan, griffin-lim or a file of HiFi-GAN's weights"
    )
    vad: Literal["energy", "silero", "auto"] = Field(
        "energy",
        description="tells speech from silence: its level, or silero-vad; auto (of all presets): that where installed",
    )
    crop_frames: int = Field(128, ge=16, le=4096, description="frames of a training crop, a multiple of 4")
    generator_dims: Literal["2-1-2", "1"] = Field(
        "2-1-2", description="dimensions that generators work in: time and frequency and back, or time alone"
    )


class TrainingSettings(StrictModel):
    """The loop's settings."""

    steps: int | None = Field(None, ge=1, description="budget in steps")
    minutes: float | None = Field(None, gt=0, description="budget in minutes of steps, evaluations not counted")
    batch_size: int = Field(1, ge=1, description="items of each domain per step, over all ranks and micro-batches")
    grad_accumulation: int = Field(1, ge=1, description="micro-batches a rank plays one after the other within a step")
    seed: int = Field(0, ge=0, lt=2**63, description="seed of everything random")
    lr_decay_start: float = Field(
        0.5, ge=0, le=1, description="share of the budget after which rates fall linearly to zero"
    )
    ema_decay: float = Field(0.999, ge=0, lt=1, description="decay of the running average of the translating networks")
    device: str = Field("auto", description="auto, cpu, cuda or mps")
    devices: int = Field(1, ge=1, description="devices (ranks) per node")
    nodes: int = Field(1, ge=1, description="nodes")
    precision: Literal["auto", "fp32", "bf16-mixed", "fp16-mixed"] = Field(
        "auto", description="auto: decided by a probe of the device"
    )
    memory_format: Literal["contiguous", "channels_last"] = Field(
        "contiguous", description="layout of images in memory"
    )
    compile: bool = Field(False, description="compile the networks with torch.compile (slow to start)")
    threads: int | None = Field(None, ge=1, description="threads of a CPU; unset: its cores, shared among the ranks")
    workers: int | None = Field(None, ge=0, description="threads that decode files; unset: 1 on a CPU, else up to 8")
    checkpoint_every: int | None = Field(
        None, ge=1, description="steps between checkpoints; unset: about every 2 minutes"
    )
    evaluate_every: int | None = Field(
        None, ge=0, description="steps between evaluations; unset: under a tenth of the time; 0: none"
    )
    sample_every: int | None = Field(
        None, ge=0, description="steps between sample grids; unset: about 20 a run; 0: none"
    )
    divergence_threshold: float = Field(1e4, gt=0, description="a term above this stops the run as diverged")


IMAGE_ONLY_SETTINGS = frozenset(
    {
        "size",
        "resize_mode",
        "load_size_ratio",
        "flip",
        "channels",
        "attributes",
        "generator",
        "padding",
        "antialias",
        "discriminator_layers",
        "augment",
    }
)
"""Settings of data and networks that only pictures have; those of `VoiceSettings` only voices have."""
