"""Small float64 versions of the methods, with batches and training loop."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import nn

from unpaired.config.settings import NetworkSettings
from unpaired.data.domain import DOMAIN_KEYS
from unpaired.labels import Labels
from unpaired.methods import METHODS
from unpaired.methods.base import Batch, Method
from unpaired.methods.capabilities import LabelConditionedMethod, SynthesisMethod
from unpaired.networks.image_factory import ImageNetworkFactory
from unpaired.networks.image_settings import ImageNetworkSettings
from unpaired.networks.pretrained import register_embedding
from unpaired.networks.voice_factory import VoiceNetworkFactory
from unpaired.training.distributed import Distributed
from unpaired.training.loop import TrainingLoop

IMAGE_METHODS = {name: row for name, row in METHODS.items() if "image" not in row.unsupported}
"""Methods that train on images."""
NUM_CONDITIONS = 4
"""Rows of tiny voice features that are conditions, for methods that synthesize from conditions."""
NETWORKS: dict[str, Any] = {"width": 4, "blocks": 2, "discriminator_width": 4, "discriminator_layers": 1}
VOICE_NETWORKS: dict[str, Any] = {"width": 4, "blocks": 2, "discriminator_width": 4, "norm": "instance-affine"}
LIGHT: dict[str, Any] = {**NETWORKS, "generator": "light", "discriminator": "light", "norm": "group"}


def tiny_embedding() -> str:
    """Register a network in place of a pretrained one and return its name."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        return register_embedding(nn.Sequential(nn.Conv2d(3, 6, 4, 4), nn.Tanh(), nn.Conv2d(6, 5, 3, padding=1)))


def build(
    name: str,
    networks: dict[str, Any] | None = None,
    size: int = 16,
    seed: int = 0,
    labels: Labels | None = None,
    **settings: Any,
) -> Method:
    torch.manual_seed(seed)
    keys = DOMAIN_KEYS[: len(labels.domains) if labels else 2]
    net = ImageNetworkFactory(
        ImageNetworkSettings.model_validate(networks or NETWORKS), dict.fromkeys(keys, 3), size, labels
    )
    cls = METHODS[name].cls
    known = inspect.signature(cls).parameters
    key = "feature_extractor"
    own = {key: tiny_embedding()} if key in known and known[key].default is not None else {}
    method = cls(net, **{**own, **settings}).double()
    method.stride = net.stride
    return method


VOICE = (1, 10, 16)
"""Shape of tiny voice features: 10 coefficients (not a multiple of 4) and 16 frames."""


def build_voice(
    name: str, networks: dict[str, Any] | None = None, generator_dims: str = "1", **settings: Any
) -> Method:
    torch.manual_seed(0)
    network_settings = NetworkSettings.model_validate(networks or VOICE_NETWORKS)
    cls = METHODS[name].cls
    conditions = NUM_CONDITIONS if issubclass(cls, SynthesisMethod) else 0
    net = VoiceNetworkFactory(
        network_settings, VOICE[1] - conditions, VOICE[2], generator_dims, DOMAIN_KEYS[:2], num_conditions=conditions
    )
    method = cls(net, **settings).double()
    method.stride = net.stride
    return method


def random_batches(
    method: Method, steps: int, size: int = 16, items: int = 1, of: tuple[int, ...] | None = None
) -> list[Batch]:
    """Yield random batches: items of X and Y, or labelled items alternately from the first two domains."""
    draws = torch.Generator().manual_seed(1)
    shape = (2, items, *(of or (3, size, size)))
    pairs = [torch.rand(shape, generator=draws, dtype=torch.float64) * 2 - 1 for _ in range(steps)]
    if not isinstance(method, LabelConditionedMethod):
        return [{"X": x, "Y": y} for x, y in pairs]
    goals = method.labels.domain_labels
    label = torch.zeros(2 * items, method.labels.size, dtype=torch.float64)
    for i, row in enumerate(label):
        for g in range(len(method.labels.groups)):
            goal = [goal for goal in goals if goal.group_index == g][i % 2]
            row[goal.columns] = torch.tensor(goal.values, dtype=torch.float64)
    out: list[Batch] = []
    for step, (x, y) in enumerate(pairs):
        known = torch.tensor(method.labels.label_mask(step % len(method.labels.dataset_groups)), dtype=torch.float64)
        joined = torch.stack((x, y), dim=1).flatten(0, 1)
        out.append({"x": joined, "label": label * known, "label_mask": known.expand(len(label), -1)})
    return out


def loop_of(method: Method) -> TrainingLoop:
    return TrainingLoop(method, Distributed(Fabric(accelerator="cpu", devices=1)))
