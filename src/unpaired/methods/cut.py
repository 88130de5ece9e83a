"""CUT: a patch of the translation has more in common with the input's patch at its place than with others."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from unpaired.losses.adversarial import generator_loss
from unpaired.losses.contrastive import multilayer_nce
from unpaired.methods.base import (
    Batch,
    Method,
    Player,
    Route,
    StepContext,
    Turn,
    Turns,
    detach,
    discriminator_loss_joint,
)
from unpaired.networks import NetworkFactory


class CUT(Method):
    """Park, Efros, Zhang, Zhu 2020, arXiv:2007.15651: eq. (1) with least squares, eq. (4) and its identity (sec. 3.3).

    One way, from X to Y. The generator's own first half tells what a patch is; H makes it a code. `contrast` is eq. (4)
    of x and G(x) and, with `identity`, of y and G(y), averaged as in the authors' code (the paper's equal weights,
    halved). `patches` is how many places are drawn of each layer, `temperature` the paper's tau. Without `pixels` the
    image itself is no layer. `ramp` is a share of the budget over which the contrast's weight rises from zero; 0 is the
    paper's. Where dark and bright are to be exchanged both matter: what the layers give at the start is alike only
    where values are. `transport_weight` as in CycleGAN, of voices. `clip` bounds the norm of each player's gradient.

    Differs: layers are looked at after their norm and activation instead of before, and a light generator's first layer
    is at half the size; the generator blurs where it halves and doubles only with `--antialias true`.
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

    voice_presets = {p: {**s, "transport_weight": 5.0} for p, s in presets.items()}  # noqa: RUF012

    def __init__(
        self,
        net: NetworkFactory,
        *,
        nce_weight: float = 1.0,
        nce_warmup: float = 0.0,
        nce_identity: bool = True,
        nce_pixels: bool = True,
        num_patches: int = 256,
        temperature: float = 0.07,
        transport_weight: float = 0.0,
        lr: float = 2e-4,
        lr_d: float = 2e-4,
        grad_clip: float | None = None,
    ) -> None:
        super().__init__()
        self.nce_identity, self.temperature = nce_identity, temperature
        self.G, self.D, self.H = (
            net.generator("X", "Y"),
            net.discriminator("Y"),
            net.projector("X", num_patches, nce_pixels),
        )
        self.transport = net.transport_loss() if transport_weight else None
        self.players = {
            "generator": Player(("G", "H"), lr=lr, grad_clip=grad_clip),
            "discriminator": Player(("D",), lr=lr_d, grad_clip=grad_clip),
        }
        self.loss_weights = {"adversarial": 1.0, "discriminator.adversarial": 0.5}
        self.loss_weights["nce"] = lambda context: nce_weight * context.warmup_factor(nce_warmup)
        self.loss_weights |= {"transport": transport_weight} if transport_weight else {}
        self.routes = (Route("X", "Y", ("G",)),)

    def play(self, batch: Batch, context: StepContext) -> Iterator[Turns]:
        """The critic, then the generator with H."""
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
        """G from X to Y."""
        out: Tensor = self.G(x)
        return out
