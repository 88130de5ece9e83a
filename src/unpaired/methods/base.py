"""The grammar in which every method is written: a game of players who take turns.

A method names its roles (networks) and its players (which roles learn together), and *plays*: it wires the roles on
a batch and yields turns. A turn is one or several players with their terms. Whoever drives the game (training.loop)
makes the move: weighs the terms, differentiates them with respect to the turn's own parameters, and steps. So a method
holds no optimizer and knows no device, rank, precision, file or log.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor, nn

from unpaired.labels import BatchKind
from unpaired.losses.adversarial import AnyAdversarialLoss, discriminator_loss
from unpaired.networks.blocks import Role
from unpaired.networks.image_pool import TensorPool

Batch = Mapping[str, Tensor]
"""What a method draws (`Method.draws`): "each", one tensor `(B, C, H, W)` in [-1, 1] per domain, keyed "X", "Y", "X3"
... in the order they were given; "pair", those of two domains; "labelled", items "x" of any domain with "label" and
"known" `(B, L)`, 0 and 1, a label being 0 where it is not known.
"""


@dataclass(frozen=True)
class StepContext:
    """When a play happens: the step (from 0) and the share of the training budget already spent, in [0, 1]."""

    step: int
    budget_fraction: float

    def warmup_factor(self, warmup_fraction: float) -> float:
        """What grows from 0 to 1 until the share `until` of the budget, and is 1 from there on."""
        return min(1.0, self.budget_fraction / warmup_fraction) if warmup_fraction else 1.0


LossWeight = float | Callable[[StepContext], float]
"""A term's weight: a number, or a function of `now` for ramps and schedules."""


@dataclass(frozen=True)
class Player:
    """Who learns together, and how: data only.

    `clip` bounds the joint gradient norm before the step; `box` clamps every parameter to [-box, box] after it
    (the weight clipping of Wasserstein GANs).
    """

    roles: tuple[str, ...]
    lr: float = 2e-4
    optimizer: Literal["adam", "adamw", "rmsprop", "sgd"] = "adam"
    betas: tuple[float, float] = (0.5, 0.999)
    weight_decay: float = 0.0
    grad_clip: float | None = None
    weight_clip: float | None = None


class Turn:
    """A move to make: one or several players, and their named terms (scalars; a `None` term is dropped)."""

    def __init__(self, *players: str, **losses: Tensor | None) -> None:
        if not players:
            raise TypeError("a turn names at least one player")
        self.players = players
        self.losses = {name: term for name, term in losses.items() if term is not None}


Turns = Turn | list[Turn]
"""What a play yields: one turn, or a list of turns made simultaneously from the same forward pass."""


@dataclass(frozen=True)
class Route:
    """A translation that a method offers, with the roles it needs (saved first, averaged, and used to translate)."""

    source: str
    target: str
    roles: tuple[str, ...]


class Method(nn.Module, ABC):
    """One paper's game. Subclasses are final: they set `players` and `weights`, assign their roles, and play.

    A role is any submodule named by a player; a submodule named by none is fixed (but saved, unless `Frozen`). Keys of
    `weights` are a term's name, or `player.term` where two players give the same name to different terms.
    """

    players: Mapping[str, Player]
    loss_weights: Mapping[str, LossWeight]
    routes: tuple[Route, ...]
    batch_kind: ClassVar[BatchKind] = "each"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Per preset name, the settings of this method that it changes; the signature's defaults are the paper's."""
    voice_presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """The same where the items are voices; empty: the same as of images."""
    steganography_defences: ClassVar[Mapping[str, Any]] = {}
    """Settings that keep the method from hiding its input in its output, each with a value worth trying."""
    ignored_if: ClassVar[Mapping[str, tuple[str, Any]]] = {}
    """Settings that do nothing while another one, named here, has this value."""
    accepts_teacher: ClassVar[bool] = False
    """Whether it can learn from another run's translations: then it asks the factory for its `teacher`."""
    depth_setting: ClassVar[str | None] = None
    """The setting that is the depth of its generator, where a shallow one may teach a deep one."""
    stride: int = 1
    """Heights and widths that are multiples of it pass through `translate`; set by whoever builds the networks."""
    is_cycle_consistent: bool = False
    """Whether translating back should give the input again: then the cycle error is a measure of this method."""

    @abstractmethod
    def play(self, batch: Batch, context: StepContext) -> Iterator[Turns]:
        """Wire the roles on `batch` and yield the turns of one step."""

    @abstractmethod
    def translate(self, x: Tensor, source: str, target: str) -> Tensor:
        """Translate `x` `(B, C, H, W)` in [-1, 1] from domain key `source` to `target`; same height and width out."""

    def loss_weight(self, player: str, loss: str, context: StepContext) -> float:
        """The weight of `term` in a turn of `player`; `player.term` wins over `term`; unnamed terms are an error."""
        key = f"{player}.{loss}"
        weight = self.loss_weights[key] if key in self.loss_weights else self.loss_weights[loss]
        return weight(context) if callable(weight) else weight

    def route(self, source: str, target: str) -> Route | None:
        """The route from `source` to `target`, or None where the method has none."""
        return next((r for r in self.routes if (r.source, r.target) == (source, target)), None)

    @property
    def translation_roles(self) -> tuple[str, ...]:
        """Every role that some route needs, in order of first use."""
        return tuple(dict.fromkeys(role for route in self.routes for role in route.roles))


class FrozenNetwork(nn.Module):
    """A network that was trained elsewhere and stays as it is: always in eval, of no player. Gradients pass through.

    It is no part of checkpoints, since it is always at hand where a method is built; the model has it if a route needs
    it. Copies share it.
    """

    def __init__(self, net: Role) -> None:
        super().__init__()
        self.net = net.requires_grad_(False).eval()
        self.is_batch_independent = net.is_batch_independent

    def forward(self, x: Tensor) -> Tensor:
        """What the network gives."""
        y: Tensor = self.net(x)
        return y

    def train(self, mode: bool = True) -> Self:
        """Stay in eval."""
        return super().train(False)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


class ImagePool(TensorPool):
    """Memory of fakes (Shrivastava et al. 2017, sec. 2.3, as in CycleGAN sec. 4): a critic sees past fakes too.

    Until the memory is full every fake is stored and returned. Afterwards each fake is, half the time, swapped for a
    stored one. Size 0 returns the fakes as they are.
    """

    def __init__(self, size: int = 50) -> None:
        super().__init__(size)

    @torch.no_grad()
    def forward(self, fakes: Tensor) -> Tensor:
        """`fakes` (B, ...) -> (B, ...), detached: each item the given one or a past one."""
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
    """A paper's own stop-gradient inside a term; never the way to say who learns (that is the turn's player)."""
    return x.detach()


def forward_pair(net: Role | FrozenNetwork, batch_a: Tensor, batch_b: Tensor) -> tuple[Tensor, Tensor]:
    """Pass two batches through `net` in one call, where its items do not see each other (`net.per_item`).

    Equal to separate calls and faster. Networks whose items influence each other (batch norm) get separate calls.
    """
    if not net.is_batch_independent or batch_a.shape[1:] != batch_b.shape[1:]:
        return net(batch_a), net(batch_b)
    output_a, output_b = torch.split(net(torch.cat((batch_a, batch_b))), [len(batch_a), len(batch_b)])
    return output_a, output_b


def discriminator_loss_joint(
    discriminator: Role | FrozenNetwork, real: Tensor, fake: Tensor, kind: AnyAdversarialLoss = "lsgan"
) -> Tensor:
    """The term `spot` of a critic's scores on real items and fakes, seen `together`."""
    return discriminator_loss(*forward_pair(discriminator, real, fake), kind)


def forward_pair_optional(net: Role, batch_a: Tensor, batch_b: Tensor, include_b: bool) -> tuple[Tensor, Tensor | None]:
    """As `together`, but without the other where it is not wanted."""
    return forward_pair(net, batch_a, batch_b) if include_b else (net(batch_a), None)


def add_noise(x: Tensor, std: float) -> Tensor:
    """`x` with normal noise added; what is hidden in faint patterns is lost in it."""
    return x + std * torch.randn_like(x) if std else x
