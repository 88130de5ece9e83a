"""What a run is, resolved and complete: its config.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from pathlib import Path
from typing import Any, Literal

import torch
import yaml
from pydantic import Field, ValidationError

from unpaired.atomic import whole
from unpaired.data.domain import KEYS, Domain
from unpaired.errors import UsageError, WorkError
from unpaired.labels import Labels
from unpaired.methods import METHODS
from unpaired.methods.game import Method, Route
from unpaired.networks.blocks import Role
from unpaired.networks.images import ImageNetworks
from unpaired.networks.pretrained import digests, missing
from unpaired.networks.voices import VoiceNetworks
from unpaired.runs.teacher import Teacher, Through
from unpaired.runs.weights import read_tensors, restore
from unpaired.settings import DataSettings, Medium, NetworkSettings, Section, TrainingSettings, VoiceSettings

FORMAT = 1


class RunConfig(Section):
    """A run, resolved: nothing in it is "auto" once training has begun."""

    format: int = FORMAT
    unpaired: str = Field(description="the version that wrote it")
    method: str
    preset: Literal["tiny", "small", "paper"]
    method_settings: dict[str, Any]
    domains: tuple[Domain, ...]
    sources: tuple[Domain, ...] = Field((), description="labelled data sets, of which the domains are parts")
    labels: Labels | None = Field(None, description="the labels that a method of labelled items learns")
    channels: Literal[1, 3]
    pairs: bool = Field(False, description="equal names in the test folders are true pairs")
    imported: str | None = Field(None, description="the file its generator came from: a run that only translates")
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

    def key(self, name: str) -> str:
        """The method's key ("X", "Y") of the domain called `name`; raises UsageError that lists the known ones."""
        names = [d.name for d in self.domains]
        if name not in names:
            raise UsageError(f"domain '{name}': this run knows {' and '.join(names)}")
        return KEYS[names.index(name)]

    def domain(self, key: str) -> Domain:
        """The domain that the method calls `key`."""
        return self.domains[KEYS.index(key)]

    def words(self, route: Route, between: str = " -> ") -> str:
        """A route by the names of its domains."""
        return f"{self.domain(route.source).name}{between}{self.domain(route.target).name}"


def build_method(config: RunConfig, taught: bool = True) -> Method:
    """The method of a run, freshly initialised from torch's current random state; `taught`: with its teacher if any.

    Translating needs no teacher. Raises UsageError where its networks cannot work on items of the run's size, or an
    embedding that it learns with is not here, WorkError where its teacher is gone or another by now, or an embedding
    has other weights than when the run began.
    """
    teacher = teaching(config.teacher) if config.teacher is not None and taught else None
    net = networks_of(config, teacher)
    method = METHODS[config.method].cls(net, **config.method_settings)
    method.stride = net.stride
    if taught:
        if (reason := missing(method)) is not None:
            raise reason
        same_weights(config, digests(method))
    name, size = ("size", config.data.size) if config.voice is None else ("frames", config.voice.frames)
    if size % net.stride:
        below = size // net.stride * net.stride
        near = " or ".join(str(size) for size in (below, below + net.stride) if size)
        raise UsageError(f"{name} {size}: these networks need a multiple of {net.stride}; try --{name} {near}")
    return method


def same_weights(config: RunConfig, installed: Mapping[str, str]) -> None:
    """Refuse pretrained networks that are installed with other weights than a run began with; raises WorkError."""
    for name, digest in installed.items():
        known = config.pretrained.get(name, digest)
        if digest != known:
            raise WorkError(
                f"pretrained '{name}': its weights here (SHA-256 {digest[:12]} ...) are not those that this run began "
                f"with ({known[:12]} ...); install the package as it was, or train anew"
            )


def networks_of(config: RunConfig, teacher: Role | None = None) -> ImageNetworks | VoiceNetworks:
    """The factory of a run's medium."""
    keys = KEYS[: len(config.domains)]
    if config.voice is None:
        channels = dict.fromkeys(keys, config.channels)
        return ImageNetworks(config.networks, channels, config.data.size, config.labels, teacher)
    statistics = config.domains[0].voice
    assert statistics is not None, "every domain of a voice run has them"
    return VoiceNetworks(config.networks, config.voice, len(statistics.mean), keys, config.labels, teacher)


def build_inverse(config: RunConfig) -> tuple[Role, int]:
    """A small network from a run's items to its items, freshly initialised, and its stride: alike for every method."""
    settings = NetworkSettings(generator="light", width=32, blocks=2, norm="group", residual=True)
    net = ImageNetworks(settings, dict.fromkeys(("X", "Y"), config.channels), config.data.size)
    return net.generator("X", "Y"), net.stride


def teaching(teacher: Teacher) -> Role:
    """A teacher's networks, loaded; raises WorkError where they are gone or not those that were recorded."""
    file = Path(teacher.file)
    config = read_config(file.parent / "config.yaml")
    tensors, about = read_tensors(file)
    if about["digest"] != teacher.digest:
        raise WorkError(
            f"teacher {file.parent}: {file.name} is not what this run began with; it was trained further, or "
            "replaced. Restore it, or train anew with it"
        )
    with torch.random.fork_rng(devices=[]):  # a learner starts alike with and without a teacher
        method = build_method(config, taught=False)
    restore(method, tensors, file, method.translators)
    route = method.route(teacher.source, teacher.target)
    assert route is not None, "seen to when it was chosen"
    return Role(Through(method, route))


def write_config(path: Path, config: RunConfig) -> None:
    """Write config.yaml, whole or not at all; raises WorkError."""
    with whole(path) as part:
        part.write_text(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False), encoding="utf-8")


def read_config(path: Path) -> RunConfig:
    """Read a run's config.yaml; raises WorkError where it is missing, damaged or of another format."""
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise WorkError(f"{path}: cannot be read as a run's configuration ({error})") from error
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        found = raw.get("format") if isinstance(raw, dict) else None
        raise WorkError(f"{path}: format {found!r}, but this version of unpaired reads format {FORMAT}")
    try:
        config = RunConfig.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        raise WorkError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    if config.method not in METHODS:
        raise WorkError(f"{path}: method '{config.method}' is not one that this version knows")
    if unknown := config.method_settings.keys() - signature(METHODS[config.method].cls).parameters.keys():
        raise WorkError(f"{path}: '{min(unknown)}' is no setting of {config.method} in this version; train anew")
    return config
