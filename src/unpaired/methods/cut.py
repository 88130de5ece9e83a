"""CUT: a contrastive loss makes each output patch resemble the input patch at its place more than other patches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import torch
from torch import Tensor
from typing_extensions import Doc

from unpaired.losses.adversarial import generator_loss
from unpaired.losses.contrastive import multilayer_nce
from unpaired.methods.base import (
    Batch,
    Method,
    Player,
    StepContext,
    Turn,
    Turns,
    detach,
    discriminator_loss_joint,
)
from unpaired.methods.setting_types import (
    DiscriminatorLearningRate,
    GradClip,
    LearningRate,
    NcePixels,
    NceWarmup,
    NceWeight,
    NumPatches,
    Temperature,
    TransportWeight,
)
from unpaired.networks import NetworkFactory
from unpaired.routes import Route

ANTIALIASED_NETWORKS = {"antialias": True, "discriminator_antialias": True}


class CUT(Method):
    """Park, Efros, Zhang, Zhu 2020, arXiv:2007.15651: eq. (1) with least squares, eq. (4), identity loss of sec. 3.3.

    One way, X to Y. The PatchNCE loss compares features of the generator's first half, projected by H. With
    `nce_identity` it is the mean of eq. (4) for x and G(x) and for y and G(y), as in the authors' code (the paper's
    equal weights, halved). `temperature` is the paper's tau.

    `nce_warmup` (0 in the paper) and `nce_pixels` matter if dark and bright must be exchanged: the features of an
    untrained generator are similar only where values are similar. `transport_weight` (voice) is as in CycleGAN.

    The preset `paper` for images has the authors' antialiased generator and discriminator (`--antialias true
    --discriminator-antialias true`).

    Differs: features are taken after normalization and activation instead of before, and the first layer of a light
    generator has half the resolution; weights start from N(0, 0.02), in the authors' code from Xavier's normal
    distribution with gain 0.02, which is 23 to 78 times narrower for these convolutions.
    """

    presets = {  # noqa: RUF012 - data
        preset: {
            "nce_identity": False,
            "nce_pixels": False,
            "nce_weight": 0.1,
            "nce_warmup": 0.3,
            "lr": 4e-4,
            "lr_d": 1e-3,
            "grad_clip": 5.0,
        }
        for preset in ("small", "tiny")
    }

    preset_sections = {"image": {"paper": {"networks": ANTIALIASED_NETWORKS}}}  # noqa: RUF012
    media_presets = {"voice": {p: {**s, "transport_weight": 5.0} for p, s in presets.items()}}  # noqa: RUF012

    def __init__(
        self,
        net: NetworkFactory,
        *,
        nce_weight: NceWeight = 1.0,
        nce_warmup: NceWarmup = 0.0,
        nce_identity: Annotated[
            bool,
            Doc(
                "Add the PatchNCE loss of target items and their translations. "
                "Turn it off if outputs stay too close to inputs, or for speed."
            ),
        ] = True,
        nce_pixels: NcePixels = True,
        num_patches: NumPatches = 256,
        temperature: Temperature = 0.07,
        transport_weight: TransportWeight = 0.0,
        lr: LearningRate = 2e-4,
        lr_d: DiscriminatorLearningRate = 2e-4,
        grad_clip: GradClip = None,
    ) -> None:
        super().__init__()
        self.nce_identity, self.temperature = nce_identity, temperature
        # G: X -> Y is the generator, D the discriminator of Y, H the projector of features to codes of patches.
        self.G = net.generator("X", "Y")
        self.D = net.discriminator("Y")
        self.H = net.projector("X", num_patches, nce_pixels)
        self.transport = net.transport_loss() if transport_weight else None
        self.players = {
            "generator": Player(("G", "H"), lr=lr, grad_clip=grad_clip),
            "discriminator": Player(("D",), lr=lr_d, grad_clip=grad_clip),
        }
        self.loss_weights = {"adversarial": 1.0, "discriminator.adversarial": 0.5}
        self.loss_weights["nce"] = lambda context: nce_weight * context.warmup_factor(nce_warmup)
        if transport_weight:
            self.loss_weights["transport"] = transport_weight
        self.routes = (Route("X", "Y", ("G",)),)

    def play(self, batch: Batch, context: StepContext) -> Iterator[Turns]:
        """Yield the discriminator's turn, then the turn of the generator and the projector."""
        x, y = batch["X"], batch["Y"]
        inputs = torch.cat((x, y)) if self.nce_identity else x
        ((outputs, features),) = self.G.forward_with_features(inputs)
        fake = outputs[: len(x)]
        yield Turn("discriminator", adversarial=discriminator_loss_joint(self.D, y, fake))
        positions = self.H.sample_positions([inputs, *features])
        keys = [detach(key) for key in self.H([inputs, *features], positions)]
        queries = self.H([outputs, *self.G.extract_features(outputs, self.H.num_features)], positions)
        yield Turn(
            "generator",
            adversarial=generator_loss(self.D(fake)),
            nce=multilayer_nce(queries, keys, self.temperature),
            transport=self.transport(fake, x, y) if self.transport is not None else None,
        )

    def translate(self, x: Tensor, source: str, target: str) -> Tensor:
        """Apply G, from X to Y."""
        out: Tensor = self.G(x)
        return out
