"""Properties of every method that trains on images."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_methods import IMAGE_METHODS, LIGHT, build
from torch import Tensor

from unpaired.methods.base import Batch, Method, StepContext, Turn, Turns
from unpaired.runs.weights import collect_state, load_state, read_tensors, write_tensors
from unpaired.testing.check_method import JOINT_LABELS
from unpaired.testing.method_checks import check_players, check_routes, check_training, check_translation
from unpaired.testing.tiny_methods import NETWORKS, create_batches, create_feature_extractor, create_loop
from unpaired.training.optimizers import PlayerOptimizer

VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in IMAGE_METHODS),
    *(
        (name, row.cls.resolve_settings(preset, lambda: 0.1))
        for name, row in IMAGE_METHODS.items()
        for preset in row.cls.presets.values()
    ),
    ("cyclegan", {"one_way": True}),
    ("cyclegan", {"cycle_direction": "forward"}),
    ("cyclegan", {"cycle_direction": "backward"}),
    ("cyclegan", {"identity_weight": 0.0}),
    ("cyclegan", {"guess_weight": 2.0}),
    ("cyclegan", {"guess_weight": 2.0, "one_way": True}),
    ("cyclegan", {"guess_weight": 2.0, "cycle_direction": "backward", "cycle_noise": 0.1}),
    ("gan", {"depth": None, "adversarial_loss": "bce"}),
    ("gan", {"depth": 3, "adversarial_loss": "hinge"}),
    ("unit", {"adversarial_loss": "lsgan"}),
    ("cut", {"nce_identity": False, "nce_pixels": False}),
    ("fastcut", {"nce_pixels": False}),
    ("dualgan", {"lipschitz_constraint": "gradient-penalty"}),
    ("discogan", {"adversarial_loss": "hinge", "depth": None}),
    ("xgan", {"feature_extractor": create_feature_extractor()}),
]
VARIANTS += [
    (name, {"labels": JOINT_LABELS}) for name, row in IMAGE_METHODS.items() if row.cls.batch_kind == "labelled"
]
STEPS = 2
Play = Callable[[Batch, StepContext], Iterator[Turns]]


def image(items: int = 2, size: int = 16) -> Tensor:
    draws = torch.Generator().manual_seed(2)
    return torch.rand(items, 3, size, size, generator=draws, dtype=torch.float64) * 2 - 1


@pytest.mark.parametrize("networks", [NETWORKS, LIGHT], ids=["plain", "light"])
@pytest.mark.parametrize(("name", "settings"), VARIANTS)
def test_gradients_and_losses(name: str, settings: dict[str, Any], networks: dict[str, Any]) -> None:
    method = build(name, networks, **settings)
    check_training(method, create_batches(method, STEPS))


@pytest.mark.parametrize("name", IMAGE_METHODS)
def test_weights_name_exactly_the_losses_of_the_method(name: str) -> None:
    method = build(name)
    assert check_training(method, create_batches(method, STEPS)) == set(method.loss_weights)


@pytest.mark.parametrize(("name", "settings"), VARIANTS)
def test_each_role_and_parameter_belongs_to_one_player(name: str, settings: dict[str, Any]) -> None:
    check_players(build(name, **settings))


@pytest.mark.parametrize(("name", "settings"), VARIANTS)
def test_route_depends_only_on_its_roles(name: str, settings: dict[str, Any]) -> None:
    method = build(name, **settings)
    assert method.translation_roles
    check_routes(method, image())


@pytest.mark.parametrize("networks", [NETWORKS, {**LIGHT, "residual": True}], ids=["plain", "light"])
@pytest.mark.parametrize(("name", "settings"), VARIANTS)
def test_translation_keeps_shape_and_range_and_items_independent(
    name: str, settings: dict[str, Any], networks: dict[str, Any]
) -> None:
    x = torch.cat([image(2, 2 * 16), image(1, 2 * 16).flip(3)])[..., :16, :]
    check_translation(build(name, networks, **settings), x)


@pytest.mark.parametrize("name", IMAGE_METHODS)
def test_restoring_methods_have_the_reverse_route(name: str) -> None:
    method = build(name)
    route_keys = {(route.source, route.target) for route in method.routes}
    assert all(method.route(*route_key) is not None for route_key in route_keys) and method.route("X", "X") is None
    if method.is_cycle_consistent:
        assert {(target, source) for source, target in route_keys} == route_keys


@pytest.mark.parametrize("name", IMAGE_METHODS)
def test_scores_from_before_the_discriminator_step_raise_an_error(name: str) -> None:
    """Planted bug: compute all losses first, then step the discriminators, then the generators on stale scores.

    Methods differ in which player moves first, so the test tries both orders; a step with a single move has no stale
    scores. Autograd detects them by the version counter of the weights that a convolution saved, that is, only for
    plain layers in float32: with autocast or spectral norm, the saved weights are copies. The discriminators here are
    therefore plain. The turns of a simultaneous move run one by one; the first backward pass frees their common graph.
    """
    refused, moves = 0, 0
    for backwards in (False, True):
        method = build(name)
        original = method.play

        def stale(
            batch: Batch, context: StepContext, play: Play = original, backwards: bool = backwards
        ) -> Iterator[Turns]:
            nonlocal moves
            made = list(play(batch, context))
            turns = [turn for move in made for turn in ([move] if isinstance(move, Turn) else move)]
            moves = len(turns)
            yield from reversed(turns) if backwards else turns

        method.play = stale  # type: ignore[method-assign]
        try:
            create_loop(method).step(create_batches(method, 1), StepContext(0, 0.0))
        except RuntimeError as error:
            refused += 1
            assert re.search("modified by an inplace operation|through the graph a second time", str(error))
    assert refused or moves == 1


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        *((name, {"pool_size": 0}) for name in ("gan", "cyclegan", "combogan", "dtn-baseline")),
        *((name, {}) for name in ("dualgan", "xgan", "dtn", "discogan")),
        ("discogan", {"adversarial_fraction": 1.0}),
        ("unit", {"latent_std": 0.0}),
    ],
)
def test_micro_batches_give_the_gradient_of_the_batch_unless_a_loss_uses_its_statistics(
    name: str, settings: dict[str, Any]
) -> None:
    """For methods without random numbers in a step."""
    results: list[dict[str, Tensor]] = []
    for parts in (1, 2):
        method = build(name, **settings)
        loop = create_loop(method)
        (batch,) = create_batches(method, 1, items=4)
        gradients: dict[str, Tensor] = {}

        def record(player: str, seat: PlayerOptimizer, gradients: dict[str, Tensor], *_: Any) -> None:
            gradients[player] = torch.cat([p.grad.flatten() for p in seat.parameters if p.grad is not None])

        for player, seat in loop.optimizers.items():
            seat.optimizer.register_step_pre_hook(partial(record, player, seat, gradients))
        chunks = {key: x.chunk(parts) for key, x in batch.items()}
        loop.step([{key: x[i] for key, x in chunks.items()} for i in range(parts)], StepContext(1, 0.5))
        results.append(gradients)
    whole, split = results
    is_equal = all(torch.allclose(split[player], whole[player], rtol=0, atol=1e-12) for player in whole)
    assert whole.keys() == split.keys() and is_equal == (not method.has_batch_statistics)


@pytest.mark.parametrize("name", IMAGE_METHODS)
def test_shared_layers_are_shared_after_saving_and_loading(name: str, tmp_path: Path) -> None:
    method, other = build(name, seed=0), build(name, seed=1)
    loop = create_loop(method)
    loop.step(create_batches(method, 1), StepContext(0, 0.0))
    write_tensors(tmp_path / "state.safetensors", collect_state(method), {})
    tensors, _ = read_tensors(tmp_path / "state.safetensors")
    load_state(other, tensors, tmp_path)
    for ours, theirs in zip(method.state_dict().items(), other.state_dict().items(), strict=True):
        assert ours[0] == theirs[0] and torch.equal(ours[1], theirs[1])
    for copy in (other, loop.ema.method):
        assert ties(copy) == ties(method)


def ties(method: Method) -> list[list[str]]:
    """Return the groups of names that refer to the same parameter."""
    names: dict[int, list[str]] = {}
    for name, parameter in method.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    return sorted(group for group in names.values() if len(group) > 1)


def test_unit_shares_layers_of_its_autoencoders() -> None:
    groups = ties(build("unit"))
    assert groups and all(len(group) == 2 for group in groups)
    assert {tuple(name.split(".")[0] for name in group) for group in groups} == {("E_x", "E_y"), ("G_x", "G_y")}


@pytest.mark.parametrize("name", IMAGE_METHODS)
def test_method_table_and_presets_match_the_class(name: str) -> None:
    row = IMAGE_METHODS[name]
    assert row.name == name and row.cls.__doc__ is not None and str(row.year) in row.cls.__doc__
    assert row.paper.split()[-1] in row.cls.__doc__
    known = inspect.signature(row.cls).parameters
    assert all(set(preset) <= set(known) for preset in row.cls.presets.values())
    assert all(p.default is not inspect.Parameter.empty for key, p in known.items() if key != "net")
