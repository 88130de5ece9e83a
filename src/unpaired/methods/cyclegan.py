"""CycleGAN: two generators that undo each other, each with a critic of its target."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from unpaired.losses.adversarial import generator_loss
from unpaired.losses.distances import l1
from unpaired.losses.optional import call_unless_none, sum_not_none
from unpaired.methods.base import (
    Batch,
    ImagePool,
    Method,
    Player,
    Route,
    StepContext,
    Turn,
    Turns,
    add_noise,
    discriminator_loss_joint,
    forward_pair_optional,
)
from unpaired.networks import NetworkFactory
from unpaired.networks.blocks import Role
from unpaired.networks.masking import mask_frames

SMALL_LOSSES = {"cycle_weight": 1.7, "cycle_noise": 0.05, "identity_weight": 0.0, "pool_size": 0}
SMALL_OPTIMIZER = {"lr": 4e-4, "lr_d": 1e-3, "grad_clip": 5.0}  # what small budgets change of the paper's
VOICE_PAPER = {"pool_size": 0, "identity_end": 0.025, "lr_d": 1e-4}
VOICE_SMALL_LOSSES = {"pool_size": 0, "cycle_weight": 2.0, "identity_weight": 0.0, "transport_weight": 5.0}


class CycleGAN(Method):
    """Zhu, Park, Isola, Efros 2017, arXiv:1703.10593.

    Eq. (1) with the least squares of sec. 4, eq. (2), eq. (3); identity term of sec. 5.2; memory of fakes of sec. 4.
    `cycle` "forward" or "backward" keeps half of eq. (2) (sec. 5.1.4), and all networks. `one_way` learns X to Y alone:
    one critic, and F only to hold G to its input.
    `cycle_noise` is the deviation of noise on a translation before it is reconstructed (Bashkirova et al. 2019,
    arXiv:1908.01517): what is hidden in faint patterns is lost in it. `guess_weight` (there 2) is that of a critic that
    sees an item and its reconstruction and guesses which is which. `clip` bounds each player's gradient norm.

    Voices: CycleGAN-VC (arXiv:1711.11293) has the identity term for 10^4 of 4x10^5 steps (`identity_until`, a share);
    VC2 (arXiv:1904.04631) adds critics of items and their reconstructions (`second_weight` 1); MaskCycleGAN-VC
    (arXiv:2102.12841) hides a span of up to the share `mask` (there .5) of an item's frames, for its generator to fill.
    `transport_weight` draws frames to where `Transport` brings them, else critics accept exchanged sounds.
    Differs: the identity term is on, as in the authors' code (.5 of the cycle's); the guess critic sees both orders.
    """

    is_cycle_consistent = True
    steganography_defences = {"cycle_noise": 0.1, "guess_weight": 2.0}  # noqa: RUF012 - data
    ignored_if = {"identity_end": ("identity_weight", 0.0), "cycle_direction": ("one_way", True)}  # noqa: RUF012 - data
    presets = {preset: {**SMALL_LOSSES, **SMALL_OPTIMIZER} for preset in ("small", "tiny")}  # noqa: RUF012 - data
    voice_presets = {
        "paper": VOICE_PAPER,
        "small": VOICE_SMALL_LOSSES | SMALL_OPTIMIZER,
        "tiny": VOICE_SMALL_LOSSES | SMALL_OPTIMIZER,
    }

    def __init__(
        self,
        net: NetworkFactory,
        *,
        cycle_direction: Literal["both", "forward", "backward"] = "both",
        one_way: bool = False,
        cycle_weight: float = 10.0,
        cycle_noise: float = 0.0,
        guess_weight: float = 0.0,
        identity_weight: float = 5.0,
        identity_end: float = 1.0,
        two_step_weight: float = 0.0,
        transport_weight: float = 0.0,
        max_mask_fraction: float = 0.0,
        pool_size: int = 50,
        lr: float = 2e-4,
        lr_d: float = 2e-4,
        grad_clip: float | None = None,
    ) -> None:
        super().__init__()
        self.has_forward_cycle, self.has_backward_cycle = (
            one_way or cycle_direction != "backward",
            not one_way and cycle_direction != "forward",
        )
        self.cycle_noise, self.max_mask_fraction = cycle_noise, max_mask_fraction
        self.G, self.F = (
            net.generator("X", "Y", max_mask_fraction=max_mask_fraction),
            net.generator("Y", "X", max_mask_fraction=max_mask_fraction),
        )
        self.D_y, self.pool_y = net.discriminator("Y"), ImagePool(pool_size)
        self.D_x, self.pool_x = None if one_way else net.discriminator("X"), ImagePool(pool_size)
        self.D_xx = net.pair_discriminator("X") if guess_weight and self.has_forward_cycle else None
        self.D_yy = net.pair_discriminator("Y") if guess_weight and self.has_backward_cycle else None
        self.D_x2 = net.discriminator("X") if two_step_weight and self.has_forward_cycle else None
        self.D_y2 = net.discriminator("Y") if two_step_weight and self.has_backward_cycle else None
        self.transport_y, self.transport_x = (
            net.transport_loss() if transport_weight and is_enabled else None for is_enabled in (True, not one_way)
        )
        discriminator_roles = tuple(sorted(role for role, _ in self.named_children() if role.startswith("D_")))
        discriminators = Player(discriminator_roles, lr=lr_d, grad_clip=grad_clip)
        self.players = {"generators": Player(("G", "F"), lr=lr, grad_clip=grad_clip), "discriminators": discriminators}
        self.loss_weights = {"adversarial": 1.0, "discriminators.adversarial": 0.5, "cycle": cycle_weight}
        self.loss_weights |= {"guess": guess_weight, "discriminators.guess": 0.5} if guess_weight else {}
        self.loss_weights |= {"two_step": two_step_weight, "discriminators.two_step": 0.5} if two_step_weight else {}
        self.loss_weights |= {"transport": transport_weight} if transport_weight else {}
        self.loss_weights["identity"] = lambda context: (
            identity_weight if context.budget_fraction < identity_end else 0.0
        )
        self.routes = (Route("X", "Y", ("G",)),) if one_way else (Route("X", "Y", ("G",)), Route("Y", "X", ("F",)))

    def play(self, batch: Batch, context: StepContext) -> Iterator[Turns]:
        """The generators together, then the critics together."""
        x, y, has_identity = batch["X"], batch["Y"], self.loss_weight("generators", "identity", context) > 0
        fake_y, idt_y = forward_pair_optional(self.G, mask_frames(x, self.max_mask_fraction), y, has_identity)
        fake_x, idt_x = (
            forward_pair_optional(self.F, mask_frames(y, self.max_mask_fraction), x, has_identity)
            if self.D_x
            else (None, None)
        )
        rec_x = self.F(add_noise(fake_y, self.cycle_noise)) if self.has_forward_cycle else None
        rec_y = self.G(add_noise(fake_x, self.cycle_noise)) if self.has_backward_cycle and fake_x is not None else None
        yield Turn(
            "generators",
            adversarial=sum_not_none(
                generator_loss(self.D_y(fake_y)), call_unless_none(generator_loss, call_unless_none(self.D_x, fake_x))
            ),
            cycle=sum_not_none(call_unless_none(l1, rec_x, x), call_unless_none(l1, rec_y, y)),
            transport=sum_not_none(
                call_unless_none(self.transport_y, fake_y, x, y), call_unless_none(self.transport_x, fake_x, y, x)
            ),
            identity=sum_not_none(call_unless_none(l1, idt_y, y), call_unless_none(l1, idt_x, x)),
            guess=sum_not_none(
                call_unless_none(guess_loss, self.D_xx, rec_x, x), call_unless_none(guess_loss, self.D_yy, rec_y, y)
            ),
            two_step=sum_not_none(
                call_unless_none(generator_loss, call_unless_none(self.D_x2, rec_x)),
                call_unless_none(generator_loss, call_unless_none(self.D_y2, rec_y)),
            ),
        )
        yield Turn(
            "discriminators",
            adversarial=sum_not_none(
                discriminator_loss_joint(self.D_y, y, self.pool_y(fake_y)),
                call_unless_none(discriminator_loss_joint, self.D_x, x, call_unless_none(self.pool_x, fake_x)),
            ),
            guess=sum_not_none(
                call_unless_none(guess_loss, self.D_xx, x, rec_x), call_unless_none(guess_loss, self.D_yy, y, rec_y)
            ),
            two_step=sum_not_none(
                call_unless_none(discriminator_loss_joint, self.D_x2, x, rec_x),
                call_unless_none(discriminator_loss_joint, self.D_y2, y, rec_y),
            ),
        )

    def translate(self, x: Tensor, source: str, target: str) -> Tensor:
        """G from X to Y, F from Y to X."""
        return (self.G if target == "Y" else self.F)(x)  # type: ignore[no-any-return]


def guess_loss(discriminator: Role, first: Tensor, second: Tensor) -> Tensor:
    """Small where `critic` says real of the pair in this order and fake of the other."""
    return discriminator_loss_joint(discriminator, torch.cat((first, second), 1), torch.cat((second, first), 1))
