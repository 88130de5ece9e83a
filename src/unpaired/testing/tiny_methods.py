"""Small methods in float64, with random batches and a training loop, for tests."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from unpaired.config.settings import NetworkSettings
from unpaired.data.domain import DOMAIN_KEYS
from unpaired.labels import Labels
from unpaired.methods.base import Batch, Method
from unpaired.methods.capabilities import LabelConditionedMethod, SynthesisMethod
from unpaired.networks.image_factory import ImageNetworkFactory
from unpaired.networks.image_settings import ImageNetworkSettings
from unpaired.networks.pretrained import register_embedding
from unpaired.networks.voice_factory import VoiceNetworkFactory
from unpaired.training.distributed import Distributed
from unpaired.training.loop import TrainingLoop

IMAGE_SIZE = 16
VOICE_SHAPE = (1, 10, 16)
"""Shape of small voice features: 10 coefficients (not a multiple of 4) and 16 frames."""
NUM_CONDITIONS = 4
"""Rows of small voice features that are conditions, for methods that synthesize from conditions."""
NETWORKS: Mapping[str, Any] = {"width": 4, "blocks": 2, "discriminator_width": 4, "discriminator_layers": 1}
VOICE_NETWORKS: Mapping[str, Any] = {
    "width": 4,
    "blocks": 2,
    "discriminator_width": 4,
    "norm": "instance-affine",
}


def build_image_method(
    cls: type[Method],
    networks: Mapping[str, Any] = NETWORKS,
    size: int = IMAGE_SIZE,
    seed: int = 0,
    labels: Labels | None = None,
    **settings: Any,
) -> Method:
    """Build a method for RGB images of `size` px: two domains, or those of `labels`.

    A network with random weights stands for a pretrained feature extractor, which is the default of some methods.
    """
    torch.manual_seed(seed)
    keys = DOMAIN_KEYS[: len(labels.domains) if labels else 2]
    net = ImageNetworkFactory(ImageNetworkSettings.model_validate(networks), dict.fromkeys(keys, 3), size, labels)
    extractor = inspect.signature(cls).parameters.get("feature_extractor")
    own = {} if extractor is None or extractor.default is None else {"feature_extractor": create_feature_extractor()}
    return _finish(cls(net, **{**own, **settings}), net.stride)


def build_voice_method(
    cls: type[Method], networks: Mapping[str, Any] = VOICE_NETWORKS, generator_dims: str = "1", **settings: Any
) -> Method:
    """Build a method for voice features of VOICE_SHAPE, of two domains."""
    torch.manual_seed(0)
    conditions = NUM_CONDITIONS if issubclass(cls, SynthesisMethod) else 0
    values = VOICE_SHAPE[1] - conditions
    network_settings = NetworkSettings.model_validate(networks)
    net = VoiceNetworkFactory(
        network_settings, values, VOICE_SHAPE[2], generator_dims, DOMAIN_KEYS[:2], num_conditions=conditions
    )
    return _finish(cls(net, **settings), net.stride)


def _finish(method: Method, stride: int) -> Method:
    method.stride = stride
    return method.double()


def create_feature_extractor() -> str:
    """Register a network with random weights in place of a pretrained one; returns its name."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        return register_embedding(nn.Sequential(nn.Conv2d(3, 6, 4, 4), nn.Tanh(), nn.Conv2d(6, 5, 3, padding=1)))


def create_batches(
    method: Method, steps: int, items: int = 1, shape: tuple[int, ...] = (3, IMAGE_SIZE, IMAGE_SIZE)
) -> list[Batch]:
    """Return random batches: `items` of X and Y of `shape` each; or labelled items, alternately of two domains.

    The data sets of a method's labels alternate from step to step.
    """
    generator = torch.Generator().manual_seed(1)
    pairs = [torch.rand((2, items, *shape), generator=generator, dtype=torch.float64) * 2 - 1 for _ in range(steps)]
    if not isinstance(method, LabelConditionedMethod):
        return [{"X": x, "Y": y} for x, y in pairs]
    label = _create_label(method.labels, 2 * items)
    out: list[Batch] = []
    for step, (x, y) in enumerate(pairs):
        known = torch.tensor(method.labels.label_mask(step % len(method.labels.dataset_groups)), dtype=torch.float64)
        joined = torch.stack((x, y), dim=1).flatten(0, 1)
        out.append({"x": joined, "label": label * known, "label_mask": known.expand(len(label), -1)})
    return out


def _create_label(labels: Labels, rows: int) -> Tensor:
    """Return labels (rows, L), alternately with the first and the second value of each group."""
    label = torch.zeros(rows, labels.size, dtype=torch.float64)
    for i, row in enumerate(label):
        for group in range(len(labels.groups)):
            target = [target for target in labels.domain_labels if target.group_index == group][i % 2]
            row[target.columns] = torch.tensor(target.values, dtype=torch.float64)
    return label


def create_loop(method: Method) -> TrainingLoop:
    """Return a training loop of one process on the CPU."""
    return TrainingLoop(method, Distributed(Fabric(accelerator="cpu", devices=1)))
