"""CycleGAN: two generators, there and back, with a cycle consistency loss and a discriminator per domain."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal

import torch
from torch import Tensor
from typing_extensions import Doc

from unpaired.losses.adversarial import generator_loss
from unpaired.losses.distances import l1
from unpaired.methods import cyclegan_presets
from unpaired.methods.base import (
    Batch,
    ImagePool,
    Method,
    Player,
    StepContext,
    Turn,
    Turns,
    add_noise,
    discriminator_loss_joint,
    forward_pair,
    sum_losses,
)
from unpaired.methods.setting_types import (
    AutoIdentityWeight,
    CycleNoise,
    CycleWeight,
    DiscriminatorLearningRate,
    Fraction,
    GradClip,
    LearningRate,
    PoolSize,
    TransportWeight,
)
from unpaired.networks import NetworkFactory
from unpaired.networks.blocks import Role
from unpaired.networks.masking import mask_frames
from unpaired.routes import Route


class CycleGAN(Method):
    """Zhu, Park, Isola, Efros 2017, arXiv:1703.10593.

    Implements eq. (1) with the least-squares loss and the image pool of sec. 4, eq. (2), eq. (3), and the identity loss
    of sec. 5.2. `cycle_direction` "forward" or "backward" keeps one half of eq. (2) (sec. 5.1.4) and all networks.
    `one_way` trains X to Y only: one discriminator, and F serves the forward cycle alone.

    Extensions, off by default:
    - `cycle_noise`, `guess_weight`: defences against steganography (Bashkirova et al. 2019, arXiv:1908.01517). Noise
      destroys information that G hides in the translation; a discriminator of (input, reconstruction) pairs penalizes
      any difference between the two (weight 2 in the paper).
    - `identity_end`: CycleGAN-VC (arXiv:1711.11293) uses the identity loss for 10^4 of 4x10^5 steps only.
    - `two_step_weight`: discriminators of inputs against reconstructions (CycleGAN-VC2, arXiv:1904.04631; weight 1).
    - `max_mask_fraction`: masked frames that the generator fills in (MaskCycleGAN-VC, arXiv:2102.12841; 0.5).
    - Aligned inputs (pictures, `match_colors`): G and F get their inputs after a linear color transfer to the target
      domain, so that they need not learn it. The identity loss does not align: its inputs are in the target domain.
    - `transport_weight`: `OptimalTransportLoss` on frames of voices, which keeps speech sounds from being swapped.

    Differs: the identity loss is on by default, as in the authors' code (0.5 of the cycle weight); the guess
    discriminator sees the pair in both orders.
    """

    is_cycle_consistent = True
    aligns_inputs = True
    steganography_defences = {"cycle_noise": 0.1, "guess_weight": 2.0}  # noqa: RUF012 - data
    ignored_if = {"identity_end": ("identity_weight", 0.0), "cycle_direction": ("one_way", True)}  # noqa: RUF012 - data
    presets = cyclegan_presets.PRESETS
    media_presets = cyclegan_presets.MEDIA_PRESETS
    preset_sections = cyclegan_presets.PRESET_SECTIONS

    def __init__(
        self,
        net: NetworkFactory,
        *,
        cycle_direction: Annotated[
            Literal["both", "forward", "backward"],
            Doc(
                "Cycles to train: both, forward (X to Y to X) or backward (Y to X to Y). "
                "Change it only to compare with half the cycle loss."
            ),
        ] = "both",
        one_way: Annotated[
            bool,
            Doc(
                "Train X to Y only, with one discriminator and a second generator just for the cycle loss. "
                "Turn it on if you need no way back."
            ),
        ] = False,
        cycle_weight: CycleWeight = 10.0,
        cycle_noise: CycleNoise = 0.0,
        guess_weight: Annotated[
            float,
            Doc(
                "Weight of the loss of a discriminator that tells inputs from their reconstructions; 0: off. "
                "Set it to 2 if the audit finds hidden signals."
            ),
        ] = 0.0,
        identity_weight: AutoIdentityWeight = 5.0,
        identity_end: Annotated[
            Fraction,
            Doc(
                "Fraction of the budget (0 to 1) after which the identity loss stops; 1: never. "
                "Lower it if outputs stay too close to inputs."
            ),
        ] = 1.0,
        two_step_weight: Annotated[
            float,
            Doc(
                "Weight of a second adversarial loss on reconstructions (CycleGAN-VC2); 0: off. "
                "Set it to 1 if reconstructions are too smooth."
            ),
        ] = 0.0,
        transport_weight: TransportWeight = 0.0,
        max_mask_fraction: Annotated[
            Fraction,
            Doc(
                "Largest fraction (0 to 1) of an item's frames to mask for the generator to fill in (voice only); "
                "0: off. Set it to 0.5 for MaskCycleGAN-VC."
            ),
        ] = 0.0,
        pool_size: PoolSize = 50,
        lr: LearningRate = 2e-4,
        lr_d: DiscriminatorLearningRate = 2e-4,
        grad_clip: GradClip = None,
    ) -> None:
        super().__init__()
        assert not isinstance(identity_weight, str), "resolve the setting before building the method"
        self.has_forward_cycle = one_way or cycle_direction != "backward"
        self.has_backward_cycle = not one_way and cycle_direction != "forward"
        self.cycle_noise, self.max_mask_fraction = cycle_noise, max_mask_fraction
        self.G = net.generator("X", "Y", max_mask_fraction=max_mask_fraction)
        self.F = net.generator("Y", "X", max_mask_fraction=max_mask_fraction)
        self.align_y, self.align_x = net.alignment("X", "Y"), net.alignment("Y", "X")
        self.D_y, self.pool_y = net.discriminator("Y"), ImagePool(pool_size)
        self.D_x, self.pool_x = None if one_way else net.discriminator("X"), ImagePool(pool_size)
        self.loss_weights = {
            "adversarial": 1.0,
            "discriminators.adversarial": 0.5,
            "cycle": cycle_weight,
            **self._build_guess_loss(net, guess_weight),
            **self._build_two_step_loss(net, two_step_weight),
            **self._build_transport_loss(net, transport_weight, one_way),
            "identity": lambda context: identity_weight if context.budget_fraction < identity_end else 0.0,
        }
        discriminator_roles = tuple(sorted(role for role, _ in self.named_children() if role.startswith("D_")))
        self.players = {
            "generators": Player(("G", "F"), lr=lr, grad_clip=grad_clip),
            "discriminators": Player(discriminator_roles, lr=lr_d, grad_clip=grad_clip),
        }
        self.routes = (Route("X", "Y", ("G",)),) if one_way else (Route("X", "Y", ("G",)), Route("Y", "X", ("F",)))

    @staticmethod
    def resolve_settings(settings: Mapping[str, Any], measure_distance: Callable[[], float]) -> dict[str, Any]:
        """Replace `identity_weight` "auto": the identity loss is off if the domains' intensities are far apart."""
        if settings.get("identity_weight") != "auto":
            return dict(settings)
        is_near = measure_distance() < cyclegan_presets.AUTO_IDENTITY_MAX_DISTANCE
        return {**settings, "identity_weight": cyclegan_presets.AUTO_IDENTITY_WEIGHT if is_near else 0.0}

    def play(self, batch: Batch, context: StepContext) -> Iterator[Turns]:
        """Yield the generators' turn, then the discriminators' turn."""
        # The paper's letters: G: X -> Y and F: Y -> X are the generators, D_y and D_x the discriminators.
        # Tensors are kept by domain: fake["Y"] = G(x), same["Y"] = G(y), rec["X"] = F(G(x)), and so on.
        fake, same = self._translate_batch(batch, context)
        rec = self._reconstruct(fake)
        yield Turn(
            "generators",
            adversarial=self._generator_losses(fake),
            cycle=sum_losses(l1(rec[domain], batch[domain]) for domain in rec),
            transport=self._transport_loss(fake, batch),
            identity=sum_losses(l1(same[domain], batch[domain]) for domain in same),
            guess=self._guess_loss(rec, batch),
            two_step=self._two_step_loss(rec),
        )
        yield Turn(
            "discriminators",
            adversarial=self._discriminator_losses(fake, batch),
            guess=self._guess_discriminator_loss(rec, batch),
            two_step=self._two_step_discriminator_loss(rec, batch),
        )

    def translate(self, x: Tensor, source: str, target: str) -> Tensor:
        """Apply G from X to Y, F from Y to X, to aligned items."""
        aligned = self._align(x, target)
        return (self.G if target == "Y" else self.F)(aligned)  # type: ignore[no-any-return]

    def _align(self, x: Tensor, target: str) -> Tensor:
        """Apply the network factory's fixed alignment with the target domain, which most settings do not have."""
        return (self.align_y if target == "Y" else self.align_x)(x)  # type: ignore[no-any-return]

    def _translate_batch(self, batch: Batch, context: StepContext) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return the translations G(x), F(y), and the outputs G(y), F(x) for the identity loss if its weight is not 0.

        With `one_way` only those of G.
        """
        use_identity = self.loss_weight("generators", "identity", context) > 0
        fake: dict[str, Tensor] = {}
        same: dict[str, Tensor] = {}
        directions = [("X", "Y", self.G), ("Y", "X", self.F)] if self.D_x is not None else [("X", "Y", self.G)]
        for source, target, generator in directions:
            inputs = mask_frames(self._align(batch[source], target), self.max_mask_fraction)
            if use_identity:
                fake[target], same[target] = forward_pair(generator, inputs, batch[target])
            else:
                fake[target] = generator(inputs)
        return fake, same

    def _reconstruct(self, fake: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return F(G(x)) and G(F(y)), those of the cycles that are trained."""
        rec: dict[str, Tensor] = {}
        if self.has_forward_cycle:
            rec["X"] = self.F(self._align(add_noise(fake["Y"], self.cycle_noise), "X"))
        if self.has_backward_cycle:
            rec["Y"] = self.G(self._align(add_noise(fake["X"], self.cycle_noise), "Y"))
        return rec

    def _generator_losses(self, fake: Mapping[str, Tensor]) -> Tensor:
        """Eq. (1) for the generators."""
        loss = generator_loss(self.D_y(fake["Y"]))
        return loss if self.D_x is None else loss + generator_loss(self.D_x(fake["X"]))

    def _discriminator_losses(self, fake: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """Eq. (1) for the discriminators, on translations from the image pools."""
        loss = discriminator_loss_joint(self.D_y, batch["Y"], self.pool_y(fake["Y"]))
        if self.D_x is None:
            return loss
        return loss + discriminator_loss_joint(self.D_x, batch["X"], self.pool_x(fake["X"]))

    # Extension: guess loss (Bashkirova et al. 2019)

    def _build_guess_loss(self, net: NetworkFactory, weight: float) -> dict[str, float]:
        """Add discriminators of (input, reconstruction) pairs for the trained cycles; return the loss weights."""
        self.D_xx = net.pair_discriminator("X") if weight and self.has_forward_cycle else None
        self.D_yy = net.pair_discriminator("Y") if weight and self.has_backward_cycle else None
        return {"guess": weight, "discriminators.guess": 0.5} if weight else {}

    def _guess_loss(self, rec: Mapping[str, Tensor], batch: Batch) -> Tensor | None:
        """The generators' loss: a reconstruction should pass for the input."""
        discriminators = _keep_present({"X": self.D_xx, "Y": self.D_yy})
        return sum_losses(guess_loss(D, rec[domain], batch[domain]) for domain, D in discriminators.items())

    def _guess_discriminator_loss(self, rec: Mapping[str, Tensor], batch: Batch) -> Tensor | None:
        discriminators = _keep_present({"X": self.D_xx, "Y": self.D_yy})
        return sum_losses(guess_loss(D, batch[domain], rec[domain]) for domain, D in discriminators.items())

    # Extension: two-step adversarial loss (CycleGAN-VC2)

    def _build_two_step_loss(self, net: NetworkFactory, weight: float) -> dict[str, float]:
        """Add discriminators of inputs against reconstructions for the trained cycles; return the loss weights."""
        self.D_x2 = net.discriminator("X") if weight and self.has_forward_cycle else None
        self.D_y2 = net.discriminator("Y") if weight and self.has_backward_cycle else None
        return {"two_step": weight, "discriminators.two_step": 0.5} if weight else {}

    def _two_step_loss(self, rec: Mapping[str, Tensor]) -> Tensor | None:
        discriminators = _keep_present({"X": self.D_x2, "Y": self.D_y2})
        return sum_losses(generator_loss(D(rec[domain])) for domain, D in discriminators.items())

    def _two_step_discriminator_loss(self, rec: Mapping[str, Tensor], batch: Batch) -> Tensor | None:
        discriminators = _keep_present({"X": self.D_x2, "Y": self.D_y2})
        return sum_losses(
            discriminator_loss_joint(D, batch[domain], rec[domain]) for domain, D in discriminators.items()
        )

    # Extension: optimal transport loss on frames of voices

    def _build_transport_loss(self, net: NetworkFactory, weight: float, one_way: bool) -> dict[str, float]:
        """Add an optimal transport loss per generator; return the loss weights."""
        self.transport_y = net.transport_loss() if weight else None
        self.transport_x = net.transport_loss() if weight and not one_way else None
        return {"transport": weight} if weight else {}

    def _transport_loss(self, fake: Mapping[str, Tensor], batch: Batch) -> Tensor | None:
        losses = []
        if self.transport_y is not None:
            losses.append(self.transport_y(fake["Y"], batch["X"], batch["Y"]))
        if self.transport_x is not None:
            losses.append(self.transport_x(fake["X"], batch["Y"], batch["X"]))
        return sum_losses(losses)


def guess_loss(discriminator: Role, first: Tensor, second: Tensor) -> Tensor:
    """Least-squares loss of a pair discriminator: the pair (first, second) is "real", (second, first) is "fake".

    `first` and `second` are (B, C, H, W); the discriminator takes them concatenated as channels.
    """
    return discriminator_loss_joint(discriminator, torch.cat((first, second), 1), torch.cat((second, first), 1))


def _keep_present(discriminators: Mapping[str, Role | None]) -> dict[str, Role]:
    return {domain: D for domain, D in discriminators.items() if D is not None}
