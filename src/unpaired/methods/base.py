"""The interface of all methods: players (networks that train together), turns (their losses) and routes.

A method declares its roles (networks) and its players (roles that train together). `play` runs the networks on a batch
and yields turns: one or several players with their losses. The training loop (training.loop) weights and sums the
losses of a turn, computes the gradients of that turn's parameters only, and steps their optimizers. A method therefore
holds no optimizer and knows nothing of devices, ranks, precision, files or logs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal, Protocol, Self

import torch
from torch import Tensor, nn

from unpaired.labels import BatchKind
from unpaired.losses.adversarial import AnyAdversarialLoss, discriminator_loss
from unpaired.networks.blocks import Role
from unpaired.networks.image_pool import TensorPool
from unpaired.routes import Route

Batch = Mapping[str, Tensor]
"""Training batch, by `Method.batch_kind`.

"each": one tensor (B, C, H, W) in [-1, 1] per domain, with the keys "X", "Y", "X3" ... in the given order.
"pair": the same, for two domains only.
"labelled": items "x" (B, C, H, W) of any domains, with "label" and "label_mask" (B, L), both 0 or 1. Where the label
is unknown, both are 0. All items are of one data set; the data sets of `Labels.dataset_groups` alternate from step to
step.
"""


@dataclass(frozen=True)
class StepContext:
    """Progress of training: the step (from 0) and the fraction of the training budget already used, in [0, 1]."""

    step: int
    budget_fraction: float

    def warmup_factor(self, warmup_fraction: float) -> float:
        """Return a factor that rises linearly from 0 to 1 over `warmup_fraction` of the budget, then stays 1."""
        return min(1.0, self.budget_fraction / warmup_fraction) if warmup_fraction else 1.0


LossWeight = float | Callable[[StepContext], float]
"""Weight of a loss: a number, or a function of the training progress (warm-up, schedule)."""


@dataclass(frozen=True)
class Player:
    """Roles that one optimizer trains together, with its settings.

    `grad_clip` limits their joint gradient norm before the step. `weight_clip` clamps every parameter to
    [-weight_clip, weight_clip] after the step (the weight clipping of Wasserstein GANs).
    """

    roles: tuple[str, ...]
    lr: float = 2e-4
    optimizer: Literal["adam", "adamw", "rmsprop", "sgd"] = "adam"
    betas: tuple[float, float] = (0.5, 0.999)
    weight_decay: float = 0.0
    grad_clip: float | None = None
    weight_clip: float | None = None


class Turn:
    """One optimization step of one or several players: the players' names and their named scalar losses.

    Losses that are None are dropped, so that a method can write `cycle=... if self.has_cycle else None`.
    """

    def __init__(self, *players: str, **losses: Tensor | None) -> None:
        if not players:
            raise TypeError("Turn() was given no player; expected at least one player's name")
        self.players = players
        self.losses = {name: loss for name, loss in losses.items() if loss is not None}


@dataclass(frozen=True)
class BatchTranslation:
    """A translation of the items `x` (B, C, H, W) of a batch by the networks `roles`, with gradients.

    `key` identifies it among those of a batch: the source and the target domain, if all items have the same. `labels`
    are the source's and the target's labels (B, L) otherwise. `translate` maps `x` or its first items, or items of the
    same shape in their place. `context` (B, K, H, W) is what the medium gives to losses besides `x`.
    """

    key: tuple[str, ...]
    roles: tuple[str, ...]
    x: Tensor
    translate: Callable[[Tensor], Tensor]
    labels: tuple[Tensor, Tensor] | None = None
    context: Tensor | None = None


class TranslationLoss(Protocol):
    """Loss of the translations of any method; the medium creates it, and training adds it (`translation_losses`).

    Implementations hold no parameters that are trained, and copies of a method share them.
    """

    @property
    def name(self) -> str:
        """Name of the loss in a turn; no method uses it for a loss of its own."""

    @property
    def weight(self) -> float:
        """Weight of the loss, above 0."""

    @property
    def pretrained(self) -> Mapping[str, str]:
        """Pretrained networks in use: name -> SHA-256 of the weights."""

    def __call__(self, translation: BatchTranslation) -> Tensor:
        """Return the scalar loss of a translation."""


Turns = Turn | list[Turn]
"""What `play` yields: one turn, or a list of turns that are taken simultaneously, from the same forward pass."""


class Method(nn.Module, ABC):
    """Base class of the methods, one paper each. Subclasses are final.

    A subclass sets `players`, `loss_weights` and `routes`, assigns its roles as submodules, and implements `play` and
    `translate`. A submodule that no player names is not trained (but saved, unless it is a `FrozenNetwork`). A key of
    `loss_weights` is a loss name, or `player.loss` if two players use one name for different losses.

    The keyword-only parameters of `__init__` are the method's settings; their `Doc` annotations are the help texts.
    """

    players: Mapping[str, Player]
    loss_weights: Mapping[str, LossWeight]
    routes: tuple[Route, ...]
    batch_kind: ClassVar[BatchKind] = "each"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Settings that each preset changes for images. The defaults of `__init__` are the paper's values."""
    media_presets: ClassVar[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {}
    """Medium name -> the settings that each preset changes for this medium, in place of `presets`."""
    preset_sections: ClassVar[Mapping[str, Mapping[str, Mapping[str, Mapping[str, Any]]]]] = {}
    """Medium name -> preset -> section ("networks", "training", "medium_settings") -> settings that replace those of
    the medium's preset, for a method that needs other networks or other training than the rest.
    """
    steganography_defences: ClassVar[Mapping[str, Any]] = {}
    """Settings that keep the generator from hiding its input in its output, each with a value to try."""
    ignored_if: ClassVar[Mapping[str, tuple[str, Any]]] = {}
    """Settings without effect, each with the other setting and the value of it that disables them."""
    accepts_teacher: ClassVar[bool] = False
    """Whether the method can learn from another run's translations (`NetworkFactory.teacher`)."""
    depth_setting: ClassVar[str | None] = None
    """Setting for the depth of the generator, if the method supports a search for the smallest sufficient depth."""
    aligns_inputs: ClassVar[bool] = False
    """Whether the method applies `NetworkFactory.alignment` to the inputs of its generators."""
    export_refusal: ClassVar[str] = ""
    """Why a translation is no forward pass and cannot be exported; empty if it is one."""
    turn_period: int = 1
    """Number of steps after which the turns of `play` repeat: above 1 if some players train in a part of the steps."""
    has_batch_statistics: bool = False
    """Whether a loss compares statistics over the items of a batch, so that smaller micro-batches change it."""
    stride: int = 1
    """`translate` accepts heights and widths that are multiples of this; set by the code that builds the networks."""
    translation_losses: tuple[TranslationLoss, ...] = ()
    """Losses that training adds to the method's own; set by the code that builds the networks."""
    is_cycle_consistent: bool = False
    """Whether translating there and back should give the input: then the cycle error is reported for this method."""

    @staticmethod
    def resolve_settings(
        settings: Mapping[str, Any],
        measure_distance: Callable[[], float],  # noqa: ARG004 - for subclasses
    ) -> dict[str, Any]:
        """Return the method's settings with every "auto" replaced, before the networks are built.

        `measure_distance` reads training items and returns how far the intensity histograms of the domains are apart,
        as a fraction of the range; it raises UsageError for media that have no such distance.
        """
        return dict(settings)

    @abstractmethod
    def play(self, batch: Batch, context: StepContext) -> Iterator[Turns]:
        """Run the networks on `batch` and yield the turns of one training step."""

    @abstractmethod
    def translate(self, x: Tensor, source: str, target: str) -> Tensor:
        """Translate `x` (B, C, H, W) in [-1, 1] from domain key `source` to `target`, at the same height and width."""

    def loss_weight(self, player: str, loss: str, context: StepContext) -> float:
        """Return the weight of a loss in a turn of `player`.

        The key `player.loss` takes precedence over `loss`. Raises KeyError if neither has a weight.
        """
        added = next((extra.weight for extra in self.translation_losses if extra.name == loss), None)
        if added is not None:
            return added
        key = f"{player}.{loss}"
        weight = self.loss_weights[key] if key in self.loss_weights else self.loss_weights[loss]
        return weight(context) if callable(weight) else weight

    def list_frozen_roles(self, context: StepContext) -> tuple[str, ...]:
        """Return the translating roles that do not train from here on, while others train on their outputs.

        Training sets them to their EMA, since translation uses that.
        """
        return ()

    def list_translations(self, batch: Batch) -> list[BatchTranslation]:
        """Return the translations of a batch along the routes between its domains."""
        return [
            BatchTranslation(
                (route.source, route.target),
                route.roles,
                batch[route.source],
                partial(self.translate, source=route.source, target=route.target),
            )
            for route in self.routes
            if batch.keys() >= {route.source, route.target}
        ]

    def route(self, source: str, target: str) -> Route | None:
        """Return the route from `source` to `target`, or None if the method has none."""
        return next((r for r in self.routes if (r.source, r.target) == (source, target)), None)

    @property
    def translation_roles(self) -> tuple[str, ...]:
        """Every role that some route needs, in order of first use."""
        return tuple(dict.fromkeys(role for route in self.routes for role in route.roles))


class FrozenNetwork(nn.Module):
    """A pretrained network that is not trained: always in eval mode, and part of no player. Gradients pass through it.

    Checkpoints leave it out, since it is available whenever the method is built; the model file includes it if a route
    needs it. Copies of a method share it.
    """

    def __init__(self, net: Role) -> None:
        super().__init__()
        self.net = net.requires_grad_(False).eval()
        self.is_batch_independent = net.is_batch_independent

    def forward(self, x: Tensor) -> Tensor:
        """Return the network's output for `x`."""
        y: Tensor = self.net(x)
        return y

    def train(self, mode: bool = True) -> Self:
        """Stay in eval mode, whatever `mode` is."""
        return super().train(False)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


class ImagePool(TensorPool):
    """Pool of past generated items for training a discriminator (Shrivastava et al. 2017, sec. 2.3; CycleGAN sec. 4).

    Until the pool is full, every generated item is stored and returned. Afterwards each item is, with probability 0.5,
    exchanged for a random stored one. With size 0 the items are returned unchanged.
    """

    def __init__(self, size: int = 50) -> None:
        super().__init__(size)

    @torch.no_grad()
    def forward(self, fakes: Tensor) -> Tensor:
        """Return a batch (B, ...), detached: each item is the given one or a past one."""
        fakes = fakes.detach()
        if self.size == 0:
            return fakes
        self._allocate(fakes)
        out = fakes.clone()
        count = int(self.count)
        for i, fake in enumerate(fakes):
            if count < self.size:
                self.memory[count] = fake
                count += 1
            elif torch.rand(()) < 0.5:
                slot = int(torch.randint(self.size, ()))
                out[i] = self.memory[slot].to(fake.dtype)
                self.memory[slot] = fake
        self.count.fill_(count)
        return out


def detach(x: Tensor) -> Tensor:
    """Stop the gradient where the paper does so inside a loss. Which networks train is set by the turn's players."""
    return x.detach()


def sum_losses(losses: Iterable[Tensor]) -> Tensor | None:
    """Return the sum of scalar losses, or None if there are none (`Turn` then drops the loss)."""
    present_losses = list(losses)
    return torch.stack(present_losses).sum() if present_losses else None


def forward_pair(net: Role | FrozenNetwork, batch_a: Tensor, batch_b: Tensor) -> tuple[Tensor, Tensor]:
    """Return the outputs of `net` for two batches, computed in one forward pass if possible.

    One pass is faster and equal to two. Two passes are made if the shapes of the items differ, or if the items of a
    batch influence each other (batch norm).
    """
    if not net.is_batch_independent or batch_a.shape[1:] != batch_b.shape[1:]:
        return net(batch_a), net(batch_b)
    output_a, output_b = torch.split(net(torch.cat((batch_a, batch_b))), [len(batch_a), len(batch_b)])
    return output_a, output_b


def discriminator_loss_joint(
    discriminator: Role | FrozenNetwork, real: Tensor, fake: Tensor, kind: AnyAdversarialLoss = "lsgan"
) -> Tensor:
    """Return the discriminator's loss on real and generated items, scored with `forward_pair`."""
    return discriminator_loss(*forward_pair(discriminator, real, fake), kind)


def add_noise(x: Tensor, std: float) -> Tensor:
    """Add Gaussian noise of standard deviation `std`, which destroys information hidden at small amplitudes."""
    return x + std * torch.randn_like(x) if std else x
