"""ComboGAN: an encoder, a decoder and a discriminator per domain, with cycle consistency between any two domains."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

import torch.nn.functional as F
from torch import Tensor
from typing_extensions import Doc

from unpaired.labels import BatchKind
from unpaired.losses.adversarial import discriminator_loss, generator_loss
from unpaired.losses.distances import smooth_l1
from unpaired.methods.base import Batch, ImagePool, Player, StepContext, Turn, Turns, detach
from unpaired.methods.capabilities import EncoderDecoderMethod
from unpaired.methods.setting_types import (
    CycleWeight,
    DiscriminatorLearningRate,
    GradClip,
    IdentityWeight,
    LatentConsistencyWeight,
    LearningRate,
    PoolSize,
    TransportWeight,
)
from unpaired.networks import NetworkFactory
from unpaired.networks.optimal_transport import sum_transport_losses
from unpaired.routes import Route


class ComboGAN(EncoderDecoderMethod):
    """Anoosheh, Agustsson, Timofte, Van Gool 2017, arXiv:1712.06909: sec. 3, CycleGAN's losses between two domains.

    Each step trains two random domains. As in the authors' code, the cycle loss and the options of an identity loss
    (encode and decode in the same domain) and a latent consistency loss are smooth L1; the identity loss compares items
    at half the size (`identity_pooling`), and the weight of the latent consistency loss rises from 0 over the budget.
    Each domain has an image pool. `transport_weight` (voice) is as in CycleGAN.

    Differs from the authors' code: the discriminators are CycleGAN's (there two networks of five layers, on the
    luminance and on the blurred image, with scores at four scales); activations are ReLU (there PReLU), transposed
    convolutions 3 x 3 (there 4 x 4); an option of a loss between input and translation is missing.
    """

    is_cycle_consistent = True
    batch_kind: ClassVar[BatchKind] = "pair"
    ignored_if = {"identity_pooling": ("identity_weight", 0.0)}  # noqa: RUF012 - data

    presets = {  # noqa: RUF012 - data
        preset: {
            "cycle_weight": 5.0,
            "identity_weight": 5.0,
            "identity_pooling": False,
            "pool_size": 0,
            "lr": 4e-4,
            "lr_d": 1e-3,
            "grad_clip": 5.0,
        }
        for preset in ("small", "tiny")
    }
    media_presets = {  # noqa: RUF012
        "voice": {
            "paper": {"identity_pooling": False},  # neighboring coefficients are no neighboring pixels
            **{p: {**s, "transport_weight": 5.0} for p, s in presets.items()},
        }
    }

    def __init__(
        self,
        net: NetworkFactory,
        *,
        cycle_weight: CycleWeight = 10.0,
        identity_weight: IdentityWeight = 0.0,
        identity_pooling: Annotated[
            bool,
            Doc(
                "The identity loss compares items at half the size (means of 3 x 3 pixels). "
                "Turn it off to keep fine detail."
            ),
        ] = True,
        latent_consistency_weight: LatentConsistencyWeight = 0.0,
        transport_weight: TransportWeight = 0.0,
        pool_size: PoolSize = 50,
        lr: LearningRate = 2e-4,
        lr_d: DiscriminatorLearningRate = 2e-4,
        grad_clip: GradClip = None,
    ) -> None:
        super().__init__()
        self.domains = tuple(net.domains)
        self.identity_pooling = identity_pooling
        # Of each domain, by its key: E_X the encoder, G_X the decoder, D_X the discriminator.
        for key in self.domains:
            self.add_module(f"E_{key}", net.encoder(key))
            self.add_module(f"G_{key}", net.decoder(key))
            self.add_module(f"D_{key}", net.discriminator(key))
            self.add_module(f"pool_{key}", ImagePool(pool_size))
            self.add_module(f"transport_{key}", net.transport_loss() if transport_weight else None)
        autoencoder_roles = tuple(f"{letter}_{key}" for key in self.domains for letter in "EG")
        self.players = {
            "autoencoders": Player(autoencoder_roles, lr=lr, grad_clip=grad_clip),
            "discriminators": Player(tuple(f"D_{key}" for key in self.domains), lr=lr_d, grad_clip=grad_clip),
        }
        self.loss_weights = {"adversarial": 1.0, "discriminators.adversarial": 0.5, "cycle": cycle_weight}
        optional_weights = {"identity": identity_weight, "transport": transport_weight}
        self.loss_weights |= {loss: weight for loss, weight in optional_weights.items() if weight}
        if latent_consistency_weight:
            self.loss_weights["latent_consistency"] = lambda context: (
                latent_consistency_weight * context.budget_fraction
            )
        pairs = [(a, b) for a in self.domains for b in self.domains if a != b]
        self.routes = tuple(Route(a, b, (f"E_{a}", f"G_{b}")) for a, b in pairs)

    def play(self, batch: Batch, context: StepContext) -> Iterator[Turns]:
        """Yield the turn of the encoders and decoders of the batch's two domains, then that of their discriminators."""
        (a, x), (b, y) = batch.items()
        code_x, code_y = self.encode(x, a), self.encode(y, b)
        fake_y, fake_x = self.decode(code_x, b), self.decode(code_y, a)
        cycle_code_x, cycle_code_y = self.encode(fake_y, b), self.encode(fake_x, a)
        d_x, d_y = self.get_submodule(f"D_{a}"), self.get_submodule(f"D_{b}")
        adversarial = generator_loss(d_y(fake_y)) + generator_loss(d_x(fake_x))
        cycle = smooth_l1(self.decode(cycle_code_x, a), x) + smooth_l1(self.decode(cycle_code_y, b), y)
        identity = latent_consistency = transport = None
        if "identity" in self.loss_weights:
            identity = self._identity_loss(self.decode(code_x, a), x) + self._identity_loss(self.decode(code_y, b), y)
        if "latent_consistency" in self.loss_weights:
            latent_consistency = smooth_l1(cycle_code_x, detach(code_x)) + smooth_l1(cycle_code_y, detach(code_y))
        if "transport" in self.loss_weights:
            losses = [self.get_submodule(f"transport_{key}") for key in (a, b)]
            transport = sum_transport_losses(losses, (fake_x, fake_y), (x, y), context.budget_fraction)
        yield Turn(
            "autoencoders",
            adversarial=adversarial,
            cycle=cycle,
            identity=identity,
            latent_consistency=latent_consistency,
            transport=transport,
        )
        pool_x, pool_y = self.get_submodule(f"pool_{a}")(fake_x), self.get_submodule(f"pool_{b}")(fake_y)
        yield Turn(
            "discriminators",
            adversarial=discriminator_loss(d_x(x), d_x(pool_x)) + discriminator_loss(d_y(y), d_y(pool_y)),
        )

    def _identity_loss(self, rec: Tensor, x: Tensor) -> Tensor:
        """Smooth L1 distance of `rec` and `x` (B, C, H, W), of their 3 x 3 means at every second pixel if pooled."""
        if self.identity_pooling:
            rec, x = F.avg_pool2d(rec, 3, 2), F.avg_pool2d(x, 3, 2)
        return smooth_l1(rec, x)

    def encode(self, x: Tensor, domain: str) -> Tensor:
        """Encode `x` with the encoder of `domain`."""
        out: Tensor = self.get_submodule(f"E_{domain}")(x)
        return out

    def decode(self, code: Tensor, domain: str) -> Tensor:
        """Decode `code` with the decoder of `domain`."""
        out: Tensor = self.get_submodule(f"G_{domain}")(code)
        return out
