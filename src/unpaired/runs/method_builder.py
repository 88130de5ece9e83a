"""Construction of a run's method with initialized networks from its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from unpaired.config.run_config import RunConfig, Teacher, read_config
from unpaired.errors import UsageError, WorkError
from unpaired.methods import METHODS
from unpaired.methods.base import Method
from unpaired.networks.blocks import Role
from unpaired.networks.pretrained import collect_digests, find_missing_embedding
from unpaired.routes import Route
from unpaired.runs.weights import load_state, read_tensors


def build_method(config: RunConfig, include_teacher: bool = True) -> Method:
    """Build the method of a run, initialized with torch's current random state.

    `include_teacher` adds the run's teacher and the losses of translations, which only training needs. Raises
    UsageError if the networks do not support the run's item size or losses, or a pretrained network for training is
    missing, WorkError if the teacher is missing or has changed, or the weights of a pretrained network are not those
    that the run began with.
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
        method.translation_losses = medium.create_translation_losses(config)
        require_same_weights(config, collect_pretrained(method))
    size = getattr(config.medium_settings, medium.crop_setting)
    if size % factory.stride:
        name, flag = medium.crop_setting, medium.crop_setting.replace("_", "-")
        lower = size // factory.stride * factory.stride
        suggestions = " or ".join(str(multiple) for multiple in (lower, lower + factory.stride) if multiple)
        raise UsageError(
            f"{name} {size}: these networks need a multiple of {factory.stride}; try --{flag} {suggestions}"
        )
    return method


def collect_pretrained(method: Method) -> dict[str, str]:
    """Return the pretrained networks that train a method, in it or in its losses: name -> SHA-256 of the weights."""
    digests = collect_digests(method)
    for loss in method.translation_losses:
        digests |= loss.pretrained
    return digests


def require_same_weights(config: RunConfig, installed_digests: Mapping[str, str]) -> None:
    """Raise WorkError if the weights of an installed pretrained network are not those that the run began with."""
    for name, digest in installed_digests.items():
        recorded_digest = config.pretrained.get(name, digest)
        if digest != recorded_digest:
            raise WorkError(
                f"pretrained '{name}': the installed weights (SHA-256 {digest[:12]} ...) are not those that this run "
                f"began with ({recorded_digest[:12]} ...); "
                "install the earlier version of the package, or train a new run"
            )


def load_teacher(teacher: Teacher) -> Role:
    """Load a teacher's networks as a frozen role; raises WorkError if they are missing or are not the recorded ones."""
    file = Path(teacher.file)
    config = read_config(file.parent / "config.yaml")
    tensors, metadata = read_tensors(file)
    if metadata["digest"] != teacher.digest:
        raise WorkError(
            f"teacher {file.parent}: {file.name} is not the file that this run began with; it was trained further or "
            "replaced. Restore it, or train a new run with it"
        )
    with torch.random.fork_rng(devices=[]):  # so that a teacher does not change the student's initial weights
        method = build_method(config, include_teacher=False)
    load_state(method, tensors, file, method.translation_roles)
    route = method.route(teacher.source, teacher.target)
    assert route is not None, "add_teacher checks the route"
    return Role(RouteModule(method, route))


class RouteModule(nn.Module):
    """Route of a method as one module, with only the roles that the route needs, and those without weights."""

    def __init__(self, method: Method, route: Route) -> None:
        super().__init__()
        for name, child in list(method.named_children()):
            if name not in route.roles and any(True for _ in child.parameters()):
                delattr(method, name)
        self.method = method
        self.domain_keys = route.source, route.target

    def forward(self, x: Tensor) -> Tensor:
        """Translate items (B, C, H, W) in [-1, 1]; the result has the same shape and range."""
        return self.method.translate(x, *self.domain_keys)
