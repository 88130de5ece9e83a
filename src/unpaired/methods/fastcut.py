"""FastCUT: CUT without the identity loss, with a higher contrastive weight and flip equivariance."""

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
)
from unpaired.networks import NetworkFactory
from unpaired.routes import Route


class FastCUT(Method):
    """Park, Efros, Zhang, Zhu 2020, arXiv:2007.15651: eq. (1) with least squares, eq. (4) with weight 10, no identity.

    With probability 0.5 in each step, G translates the mirrored x, and the features of the translation are mirrored
    back (in the authors' code only, not in the paper).

    The preset `paper` for images has the authors' antialiased networks, and learning rates fall in the last quarter (50
    of 200 epochs).

    Differs: as CUT does.
    """

    presets = {  # noqa: RUF012 - data
        preset: {
            "nce_pixels": False,
            "nce_weight": 0.1,
            "nce_warmup": 0.3,
            "lr": 4e-4,
            "lr_d": 1e-3,
            "grad_clip": 5.0,
        }
        for preset in ("small", "tiny")
    }
    preset_sections = {  # noqa: RUF012
        "image": {
            "paper": {
                "networks": {"antialias": True, "discriminator_antialias": True},
                "training": {"lr_decay_start": 0.75},
            }
        }
    }

    def __init__(
        self,
        net: NetworkFactory,
        *,
        nce_weight: NceWeight = 10.0,
        nce_warmup: NceWarmup = 0.0,
        nce_pixels: NcePixels = True,
        num_patches: NumPatches = 256,
        temperature: Temperature = 0.07,
        lr: LearningRate = 2e-4,
        lr_d: DiscriminatorLearningRate = 2e-4,
        grad_clip: GradClip = None,
    ) -> None:
        super().__init__()
        self.temperature = temperature
        # G: X -> Y is the generator, D the discriminator of Y, H the projector of features to codes of patches.
        self.G = net.generator("X", "Y")
        self.D = net.discriminator("Y")
        self.H = net.projector("X", num_patches, nce_pixels)
        self.players = {
            "generator": Player(("G", "H"), lr=lr, grad_clip=grad_clip),
            "discriminator": Player(("D",), lr=lr_d, grad_clip=grad_clip),
        }
        self.loss_weights = {"adversarial": 1.0, "discriminator.adversarial": 0.5}
        self.loss_weights["nce"] = lambda context: nce_weight * context.warmup_factor(nce_warmup)
        self.routes = (Route("X", "Y", ("G",)),)

    def play(self, batch: Batch, context: StepContext) -> Iterator[Turns]:
        """Yield the discriminator's turn, then the turn of the generator and the projector."""
        x = batch["X"]
        is_flipped = bool(torch.rand(()) < 0.5)
        ((fake, features),) = self.G.forward_with_features(x.flip(3) if is_flipped else x)
        yield Turn("discriminator", adversarial=discriminator_loss_joint(self.D, batch["Y"], fake))
        input_features = self.G.extract_features(x, self.H.num_features) if is_flipped else features
        input_layers = [x, *input_features]
        output_layers = [fake, *self.G.extract_features(fake, self.H.num_features)]
        positions = self.H.sample_positions(input_layers)
        keys = [detach(key) for key in self.H(input_layers, positions)]
        queries = self.H([layer.flip(3) for layer in output_layers] if is_flipped else output_layers, positions)
        yield Turn(
            "generator", adversarial=generator_loss(self.D(fake)), nce=multilayer_nce(queries, keys, self.temperature)
        )

    def translate(self, x: Tensor, source: str, target: str) -> Tensor:
        """Apply G, from X to Y."""
        out: Tensor = self.G(x)
        return out
