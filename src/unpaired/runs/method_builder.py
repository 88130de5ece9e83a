"""From a run's configuration to its method, freshly initialized."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from unpaired.config.run_config import RunConfig, Teacher, read_config
from unpaired.errors import UsageError, WorkError
from unpaired.methods import METHODS
from unpaired.methods.base import Method, Route
from unpaired.networks.blocks import Role
from unpaired.networks.pretrained import collect_digests, find_missing_embedding
from unpaired.runs.weights import load_state, read_tensors


def build_method(config: RunConfig, include_teacher: bool = True) -> Method:
    """Build the method of a run from torch's current random state; `include_teacher`: with its teacher, if it has one.

    Translating needs no teacher. Raises UsageError where its networks cannot work on items of the run's size, or an
    embedding that it learns with is missing, WorkError where its teacher is missing or has changed, or an embedding has
    other weights than when the run began.
    """
    medium = config.get_medium()
    teacher = load_teacher(config.teacher) if config.teacher is not None and include_teacher else None
    factory = medium.create_network_factory(config, teacher)
    settings = {name: getattr(config.method_settings, name) for name in type(config.method_settings).model_fields}
    method = METHODS[config.method].cls(factory, **settings)
    method.stride = factory.stride
    if include_teacher:
        if (reason := find_missing_embedding(method)) is not None:
            raise reason
        require_same_weights(config, collect_digests(method))
    size = getattr(config.medium_settings, medium.crop_setting)
    if size % factory.stride:
        name, flag = medium.crop_setting, medium.crop_setting.replace("_", "-")
        below = size // factory.stride * factory.stride
        suggestions = " or ".join(str(multiple) for multiple in (below, below + factory.stride) if multiple)
        raise UsageError(
            f"{name} {size}: these networks need a multiple of {factory.stride}; try --{flag} {suggestions}"
        )
    return method


def require_same_weights(config: RunConfig, installed_digests: Mapping[str, str]) -> None:
    """Raise WorkError for installed pretrained networks with other weights than the run began with."""
    for name, digest in installed_digests.items():
        recorded_digest = config.pretrained.get(name, digest)
        if digest != recorded_digest:
            raise WorkError(
                f"pretrained '{name}': the installed weights (SHA-256 {digest[:12]} ...) are not those that this run "
                f"began with ({recorded_digest[:12]} ...); install the package as it was, or train a new run"
            )


def load_teacher(teacher: Teacher) -> Role:
    """Load a teacher's networks; raises WorkError where they are missing or not those that were recorded."""
    file = Path(teacher.file)
    config = read_config(file.parent / "config.yaml")
    tensors, metadata = read_tensors(file)
    if metadata["digest"] != teacher.digest:
        raise WorkError(
            f"teacher {file.parent}: {file.name} is not the file that this run began with; it was trained further or "
            "replaced. Restore it, or train a new run with it"
        )
    with torch.random.fork_rng(devices=[]):  # a student starts with the same weights with and without a teacher
        method = build_method(config, include_teacher=False)
    load_state(method, tensors, file, method.translation_roles)
    route = method.route(teacher.source, teacher.target)
    assert route is not None, "checked when the teacher was chosen"
    return Role(RouteModule(method, route))


class RouteModule(nn.Module):
    """A route of a method as one module, with the roles that the route needs and none of the others."""

    def __init__(self, method: Method, route: Route) -> None:
        super().__init__()
        for name in [name for name, _ in method.named_children() if name not in route.roles]:
            delattr(method, name)
        self.method = method
        self.domain_keys = route.source, route.target

    def forward(self, x: Tensor) -> Tensor:
        """Translate (B, C, H, W) in [-1, 1] to the same shape and range."""
        return self.method.translate(x, *self.domain_keys)
