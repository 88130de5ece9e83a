"""Recognition and synthesis: a pretrained recognizer extracts the content, a network synthesizes the target from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import torch
from torch import Tensor
from typing_extensions import Doc

from unpaired.losses.adversarial import generator_loss
from unpaired.losses.distances import l1
from unpaired.methods.base import (
    Batch,
    Player,
    StepContext,
    Turn,
    Turns,
    discriminator_loss_joint,
    sum_losses,
)
from unpaired.methods.capabilities import SynthesisMethod
from unpaired.methods.setting_types import DiscriminatorLearningRate, GradClip, LearningRate
from unpaired.networks import NetworkFactory
from unpaired.networks.blocks import Role
from unpaired.networks.conditional import concat_label
from unpaired.routes import Route

SMALL = {"adversarial_weight": 0.1, "condition_noise": 1.0, "lr": 1e-3, "lr_d": 1e-3, "grad_clip": 5.0}
# The last blocks of the encoder contain less of the speaker, to which the network, unlike nearest neighbours, adapts.
CONTENT = {"content_depth": 1.0}
SECTIONS: dict[str, dict[str, Any]] = {"networks": {"norm": "none", "blocks": 3}, "medium_settings": CONTENT}


class RecognitionSynthesis(SynthesisMethod):
    """Sun et al. 2016 (ICME): phonetic posteriorgrams for many-to-one voice conversion without parallel data.

    S synthesizes the values of an item from its conditions (content and pitch) and the label of its domain. It is
    trained to reconstruct the target's own items, so no source takes part in training, and any source can be converted.
    Several domains train one network, which takes their labels. `adversarial_weight` adds one discriminator per domain
    on the output of S, against the blur of the reconstruction loss. `condition_noise` keeps S from relying on what only
    the target's conditions have, since at conversion they are a source's.

    Differs: content features of a pretrained encoder instead of phonetic posteriorgrams, and convolutions instead of a
    recurrent network.
    """

    presets = dict.fromkeys(("small", "tiny"), SMALL)
    preset_sections = {  # noqa: RUF012 - data
        "voice": {
            "small": SECTIONS,
            "tiny": SECTIONS,
            "paper": {"networks": {"norm": "none"}, "medium_settings": CONTENT},
        }
    }

    def __init__(
        self,
        net: NetworkFactory,
        *,
        adversarial_weight: Annotated[
            float, Doc("Weight of the adversarial loss; 0: no discriminators. Raise it if the output is blurred.")
        ] = 0.0,
        condition_noise: Annotated[
            float,
            Doc(
                "Standard deviation of the Gaussian noise on the conditions in training, relative to that of each "
                "condition; 0: none. Raise it if the words of sources are lost."
            ),
        ] = 0.0,
        lr: LearningRate = 2e-4,
        lr_d: DiscriminatorLearningRate = 2e-4,
        grad_clip: GradClip = None,
    ) -> None:
        super().__init__()
        self.domains = tuple(net.domains)
        self.num_conditions, self.condition_noise = net.num_conditions, condition_noise
        # S: synthesizer, D_X: discriminator of the domain X.
        self.S = net.synthesizer(len(self.domains))
        self.players = {"synthesizer": Player(("S",), lr=lr, grad_clip=grad_clip)}
        self.loss_weights = {"reconstruction": 1.0}
        self.is_adversarial = adversarial_weight > 0
        if self.is_adversarial:
            for key in self.domains:
                self.add_module(f"D_{key}", net.discriminator(key))
            roles = tuple(f"D_{key}" for key in self.domains)
            self.players["discriminators"] = Player(roles, lr=lr_d, grad_clip=grad_clip)
            self.loss_weights |= {"adversarial": adversarial_weight, "discriminators.adversarial": 0.5}
        pairs = [(a, b) for a in self.domains for b in self.domains if a != b or len(self.domains) == 1]
        self.routes = tuple(Route(a, b, ("S",)) for a, b in pairs)

    def play(self, batch: Batch, context: StepContext) -> Iterator[Turns]:
        """Yield the turn of S and, with an adversarial loss, that of the discriminators."""
        values = {key: x[:, :, : x.shape[2] - self.num_conditions] for key, x in batch.items()}
        fakes = {key: self._synthesize(self._add_condition_noise(x), key) for key, x in batch.items()}
        adversarial = None
        if self.is_adversarial:
            adversarial = sum_losses(generator_loss(self._get_discriminator(key)(fake)) for key, fake in fakes.items())
        yield Turn(
            "synthesizer",
            reconstruction=sum_losses(l1(fakes[key], values[key]) for key in batch),
            adversarial=adversarial,
        )
        if self.is_adversarial:
            losses = [discriminator_loss_joint(self._get_discriminator(k), values[k], fakes[k]) for k in batch]
            yield Turn("discriminators", adversarial=sum_losses(losses))

    def translate(self, x: Tensor, source: str, target: str) -> Tensor:
        """Synthesize the values of `target` from the conditions of `x`, which are returned unchanged below them."""
        return torch.cat((self._synthesize(x, target), x[:, :, x.shape[2] - self.num_conditions :]), dim=2)

    def _add_condition_noise(self, x: Tensor) -> Tensor:
        """Return items with noise on their conditions, in units of each condition's deviation over the batch."""
        if not self.condition_noise:
            return x
        values, conditions = x.split([x.shape[2] - self.num_conditions, self.num_conditions], dim=2)
        deviation = conditions.std((0, 1, 3), correction=0, keepdim=True)
        noise = self.condition_noise * deviation * torch.randn_like(conditions)
        return torch.cat((values, conditions + noise), dim=2)

    def _get_discriminator(self, domain: str) -> Role:
        role = self.get_submodule(f"D_{domain}")
        assert isinstance(role, Role)
        return role

    def _synthesize(self, x: Tensor, domain: str) -> Tensor:
        label = torch.zeros(len(x), len(self.domains), dtype=x.dtype, device=x.device)
        label[:, self.domains.index(domain)] = 1
        out: Tensor = self.S(concat_label(x, label))
        return out
