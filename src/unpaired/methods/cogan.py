"""CoGAN: two generators from one latent code that share all layers but the last, and so generate pairs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import Doc

from unpaired.losses.adversarial import generator_loss
from unpaired.methods.base import Batch, Player, StepContext, Turn, Turns, discriminator_loss_joint
from unpaired.methods.capabilities import EncoderDecoderMethod, SamplingMethod
from unpaired.methods.setting_types import (
    AdversarialLossName,
    DiscriminatorLearningRate,
    GradClip,
    LatentDim,
    LearningRate,
    PositiveInt,
    WeightDecay,
)
from unpaired.networks import NetworkFactory
from unpaired.routes import Route


class CoGAN(EncoderDecoderMethod, SamplingMethod):
    """Liu, Tuzel 2016, arXiv:1606.07536: eq. (2), two GANs with the weight sharing of sec. 3.

    The generators share all layers but the last, the discriminators all layers but the first. Translation follows
    sec. 5: it searches the latent code whose image in X is closest to the input (squared distance) and renders it in Y.
    It is slow: `inversion_steps` forward and backward passes per image, from the best of `inversion_candidates` fixed
    codes.

    Differs: the generators train before the discriminators in each step; codes are normal as in the authors' code for
    digits (uniform in the paper and in their code for faces); the losses of the domains are added, as in eq. (2) (their
    code for digits averages them, so its weight decay weighs twice as much); weight decay includes biases and norms
    (not in their code for faces); the search uses normalized gradients with momentum inside the sphere of the prior,
    since the paper's L-BFGS would make the images of a batch depend on each other; normalization layers treat items
    separately (no batch norm); there is no dropout (0.1 to 0.5 in the authors' discriminators of faces), and the linear
    layer and the widths are smaller. The preset `paper` for images is that of the authors' faces: 128 px, batch size
    128, weight decay 1e-4. The other defaults are those of their digits.
    """

    export_refusal: ClassVar[str] = "translates by a search with gradients for the input's latent code"

    presets = {  # noqa: RUF012 - data
        "paper": {"weight_decay": 1e-4},
        **{
            preset: {"adversarial_loss": "lsgan", "weight_decay": 0.0, "lr": 4e-4, "lr_d": 4e-4, "grad_clip": 5.0}
            for preset in ("small", "tiny")
        },
    }
    preset_sections = {  # noqa: RUF012
        "image": {
            "paper": {
                "medium_settings": {"size": 128, "load_size_ratio": 1.0},
                "training": {"lr_decay_start": 1.0},
            }
        }
    }

    def __init__(
        self,
        net: NetworkFactory,
        *,
        latent_dim: LatentDim = 100,
        adversarial_loss: AdversarialLossName = "bce",
        inversion_steps: Annotated[
            int,
            Doc(
                "Number of optimization steps that find an image's latent code. "
                "Raise it for closer matches; each step slows translation."
            ),
        ] = 50,
        inversion_candidates: Annotated[
            PositiveInt,
            Doc(
                "Number of fixed random codes of which the closest starts the search for an image's code; at least 1. "
                "Raise it if translations miss the input."
            ),
        ] = 64,
        lr: LearningRate = 2e-4,
        lr_d: DiscriminatorLearningRate = 2e-4,
        weight_decay: WeightDecay = 5e-4,
        grad_clip: GradClip = None,
    ) -> None:
        super().__init__()
        self.latent_dim, self.adversarial_loss = latent_dim, adversarial_loss
        self.inversion_steps, self.inversion_candidates = inversion_steps, inversion_candidates
        # G: layers that the generators share, G_x and G_y: their last layers; D_x and D_y: discriminators.
        self.G = net.decode_vector(latent_dim)
        self.G_x, self.G_y = net.render("X"), net.render("Y")
        self.D_x, self.D_y = net.coupled_discriminators("X", "Y")
        self.players = {
            "generators": Player(("G", "G_x", "G_y"), lr=lr, weight_decay=weight_decay, grad_clip=grad_clip),
            "discriminators": Player(("D_x", "D_y"), lr=lr_d, weight_decay=weight_decay, grad_clip=grad_clip),
        }
        self.loss_weights = {"adversarial": 1.0}
        self.routes = (Route("X", "Y", ("G", "G_x", "G_y")), Route("Y", "X", ("G", "G_x", "G_y")))

    def play(self, batch: Batch, context: StepContext) -> Iterator[Turns]:
        """Yield the generators' turn, then the discriminators' turn."""
        x, y = batch["X"], batch["Y"]
        shared_features = self.G(torch.randn(len(x), self.latent_dim, device=x.device, dtype=x.dtype))
        fake_x, fake_y = self.G_x(shared_features), self.G_y(shared_features)
        yield Turn(
            "generators",
            adversarial=generator_loss(self.D_x(fake_x), self.adversarial_loss)
            + generator_loss(self.D_y(fake_y), self.adversarial_loss),
        )
        loss_x = discriminator_loss_joint(self.D_x, x, fake_x, self.adversarial_loss)
        loss_y = discriminator_loss_joint(self.D_y, y, fake_y, self.adversarial_loss)
        yield Turn("discriminators", adversarial=loss_x + loss_y)

    def decode(self, code: Tensor, domain: str) -> Tensor:
        """Generate the image of each latent code (B, latent_dim) in `domain`, at the training size."""
        y: Tensor = (self.G_x if domain == "X" else self.G_y)(self.G(code))
        return y

    def encode(self, x: Tensor, domain: str) -> Tensor:
        """Search the latent codes (B, latent_dim) whose images are closest to `x`. The result is deterministic."""
        candidates = self._sample_codes(self.inversion_candidates, torch.Generator().manual_seed(0))
        images = self.decode(candidates, domain)
        x = F.interpolate(x, images.shape[-2:], mode="bilinear", antialias=True).to(images.dtype)
        nearest = [(images - item).square().flatten(1).sum(1).argmin() for item in x]
        code = candidates[torch.stack(nearest)]
        velocity = torch.zeros_like(code)
        for step in range(self.inversion_steps):
            with torch.enable_grad():
                code = code.detach().requires_grad_()
                distance = (self.decode(code, domain) - x).square().sum()
                (gradient,) = torch.autograd.grad(distance, code)
            velocity = 0.8 * velocity + gradient / gradient.norm(dim=1, keepdim=True).clamp(min=1e-12)
            code = code.detach() - (1 - step / self.inversion_steps) * 0.3 * velocity
            code = code * (self.latent_dim**0.5 / code.norm(dim=1, keepdim=True)).clamp(max=1)
        return code

    def sample(self, count: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Generate pairs: each latent code rendered in both domains."""
        code = self._sample_codes(count, generator)
        return {domain: self.decode(code, domain) for domain in "XY"}

    def _sample_codes(self, count: int, generator: torch.Generator) -> Tensor:
        return torch.randn(count, self.latent_dim, generator=generator).to(next(self.parameters()))
