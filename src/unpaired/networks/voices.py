"""The factory that builds a method's roles for voices."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import nn

from unpaired.errors import UsageError
from unpaired.labels import Labels, of_domains
from unpaired.networks.blocks import Role, norm, nothing_yet
from unpaired.networks.critic import Views, leaky_start
from unpaired.networks.filling import Filling
from unpaired.networks.gated import Added, Flat, Gated, GatedBlock, Held, Rows, Spread, Tall, Told
from unpaired.networks.projector import Projector
from unpaired.networks.transport import LabelledTransport, Transport
from unpaired.settings import NetworkSettings, VoiceSettings

NO_EMBEDDING = "embedding: sees pictures and hears nothing; with recordings leave it out (--embedding none)"


class VoiceNetworks:
    """Builds roles for voices (B, 1, Q, T) of `coefficients` Q, scaled; the `domains` are keys ("X", "Y").

    Generators are CycleGAN-VC2's (Kaneko et al. 2019, arXiv:1904.04631: 2-1-2-d, its sizes at width 64 with 6 blocks),
    or work in time alone, after CycleGAN-VC (Kaneko and Kameoka 2017, arXiv:1711.11293). Critics are CycleGAN-VC2's
    patches, or lighter. Codes are (B, C, 1, T/4). `stride`: frames that are a multiple of it pass through every role,
    whatever their number.
    """

    def __init__(
        self,
        settings: NetworkSettings,
        voice: VoiceSettings,
        coefficients: int,
        domains: Sequence[str],
        labels: Labels | None = None,
        teacher: Role | None = None,
    ) -> None:
        self.settings = settings
        self.domains = tuple(domains)
        self.stride = 4
        self.frames = voice.frames
        self.blocks = 6 if settings.blocks is None else settings.blocks
        self._flat = voice.form == "1"
        self._q = coefficients
        self._rows = -(-coefficients // 4)
        self._labels = labels
        self._teacher = teacher

    @property
    def labels(self) -> Labels:
        """The labels of the items; the domains themselves where nothing else is told."""
        return self._labels or of_domains(self.domains)

    @property
    def code_channels(self) -> int:
        """Channels of the features that encoders give and decoders take."""
        return 4 * self.settings.width

    def generator(
        self,
        source: str,  # noqa: ARG002 - all are alike
        target: str,  # noqa: ARG002
        depth: int | None = None,
        mask: float = 0.0,
    ) -> Role:
        """`source`'s voices -> `target`'s; with a `mask`, also what `hide` gives of them, whose frames it fills in."""
        if depth is not None:
            raise UsageError(f"depth {depth}: voices have no generators of a chosen depth; leave it out (--depth none)")
        if not 0 <= mask <= 1:
            raise UsageError(f"mask {mask:g}: the largest share of a crop's frames that is hidden; expected 0 to 1")
        net: nn.Module = nn.Sequential(
            *self._down(channels=2 if mask else 1), *self._residual(self.blocks), *self._up()
        )
        net = Added(net) if self.settings.residual else net
        return Role(Filling(net)) if mask else Role(net)

    def critic(self, domain: str, outputs: int = 1) -> Role:  # noqa: ARG002
        """`domain`'s voices -> scores per patch of time and frequency (B, outputs, h, w); light: of several views."""
        return Role(*self._critic(1, outputs))

    def pair_critic(self, domain: str) -> Role:  # noqa: ARG002
        """Two of `domain`'s voices, joined as channels -> scores per patch."""
        return Role(*self._critic(2, 1))

    def coupled_critics(self, *domains: str) -> list[Role]:
        """Refused: voices have no such critics."""
        raise UsageError(f"critics of {', '.join(domains)} with common layers: voices have none")

    def encoder(self, domain: str) -> Role:  # noqa: ARG002
        """`domain`'s voices -> features (B, code channels, 1, T/4): the way down and half the blocks."""
        return Role(*self._down(), *self._residual(self.blocks // 2))

    def decoder(self, domain: str, embedding: nn.Module | None = None) -> Role:  # noqa: ARG002
        """The mirror of `encoder`."""
        if embedding is not None:
            raise UsageError(NO_EMBEDDING)
        return Role(*self._residual(self.blocks // 2), *self._up())

    def read_out(self, embedding: nn.Module) -> Role:  # noqa: ARG002 - as images are asked
        """Refused: embeddings see pictures."""
        raise UsageError(NO_EMBEDDING)

    def shared(self) -> Role:
        """Features -> features, one residual block."""
        return Role(*self._residual(1))

    def code_critic(self, outputs: int, dropout: float = 0.0) -> Role:
        """Features (B, code channels, 1, t) -> logits (B, outputs), the mean over time of what frames seem to say."""
        w = 2 * self.settings.critic_width
        net: list[nn.Module] = [nn.Conv2d(self.code_channels, w, (1, 5), 1, (0, 2)), nn.LeakyReLU(0.2)]
        net += [nn.Conv2d(w, w, (1, 3), 1, (0, 1)), nn.LeakyReLU(0.2)]
        net += [nn.Dropout(dropout)] if dropout else []
        return _leaky(*net, nn.Conv2d(w, outputs, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def classifier(self, labels: int) -> Role:
        """Any domain's voices -> logits (B, labels), the mean over time."""
        return _leaky(*self._trunk(), *self._told(labels))

    def relabeller(self, labels: int) -> Role:
        """Voices joined with `labels` label maps -> voices: every gate is told the label."""
        net = Told([*self._down(labels), *self._residual(self.blocks, labels), *self._up(labels)], labels)
        return Role(Added(net)) if self.settings.residual else Role(net)

    def labelled_critic(self, labels: int, outputs: int = 1) -> tuple[Role, Role, Role]:
        """A critic that also tells labels: what both heads share, the head of the scores, the head of the logits.

        Without a norm, which would make a penalty on gradients of single items meaningless.
        """
        wide = 4 * self.settings.critic_width
        scores = nn.Conv2d(wide, outputs, (1, 5), 1, (0, 2))
        return _leaky(*self._trunk()), _leaky(scores), _leaky(*self._told(labels))

    def label_coders(self, labels: int, dropout: float) -> tuple[Role, Role, Role]:
        """Voices -> code; code joined with `labels` label maps -> voices, every gate told; code -> logits."""
        decoder = self._label_decoder(labels)
        return self.encoder(self.domains[0]), decoder, self.code_critic(labels, dropout=dropout)

    def label_residual(self, labels: int) -> Role:
        """Code joined with `labels` label maps -> what to add to voices, every gate told; nothing until it learns."""
        decoder = self._label_decoder(labels)
        *_, last = (layer for layer in decoder.modules() if isinstance(layer, nn.Conv2d))
        nothing_yet(last)
        return decoder

    def unfold(self, codes: int) -> Role:
        """Codes (B, codes, 1, T/4), or (B, codes) that are held for the trained frames -> features for `paint`."""
        enter = [Held(self.frames // 4), nn.Conv2d(codes, self.code_channels, 1), nn.LeakyReLU(0.2)]
        return Role(*enter, *self._residual(self.blocks // 2))

    def paint(self, domain: str) -> Role:  # noqa: ARG002
        """Features that `unfold` gave -> `domain`'s voices."""
        return Role(*self._up())

    def fold(self, domain: str, outputs: int) -> Role:
        """`domain`'s voices -> (B, outputs, 1, T/4): codes of voices keep their time, in which the words are."""
        return Role(self.encoder(domain), nn.Conv2d(self.code_channels, outputs, 1))

    def projector(self, domain: str, patches: int = 256, pixels: bool = True) -> Projector:  # noqa: ARG002
        """Codes of places of `domain`'s voices, of what a generator makes of them at each halving, and of its first and
        fifth residual block, or the last. `pixels`: of the voices too.
        """
        w = self.settings.width
        widths = {2: 2 * w, 3: 4 * w}
        if self.blocks:
            widths |= {4: self.code_channels, 3 + min(5, self.blocks): self.code_channels}
        return Projector({0: 1, **widths} if pixels else widths, patches)

    def transport(self, given: float = 0.0) -> Transport:
        """How far frames are from where optimal transport brings them."""
        return Transport(given)

    def labelled_transport(self, labels: int, given: float = 0.0) -> LabelledTransport:
        """The same to each speaker."""
        return LabelledTransport(labels, given)

    def teacher(self) -> Role | None:
        """The translation from "X" to "Y" that another run has learned, where one is given."""
        return self._teacher

    def _down(self, labels: int = 0, channels: int = 1) -> list[nn.Module]:
        s, w, q = self.settings, self.settings.width, self._q
        if self._flat:
            return [
                Flat(q),
                Gated(channels * q, w, (1, 15), labels=labels),
                Gated(w, 2 * w, (1, 5), (1, 2), s.norm, labels=labels),
                Gated(2 * w, 4 * w, (1, 5), (1, 2), s.norm, labels=labels),
            ]
        return [
            Rows(4 * self._rows),
            Gated(channels, w, (5, 15), labels=labels),
            Gated(w, 2 * w, (5, 5), (2, 2), s.norm, labels=labels),
            Gated(2 * w, 4 * w, (5, 5), (2, 2), s.norm, labels=labels),
            Flat(self._rows),
            nn.Conv2d(4 * w * self._rows, self.code_channels, 1),
            norm(s.norm, self.code_channels),
        ]

    def _residual(self, count: int, labels: int = 0) -> list[nn.Module]:
        return [GatedBlock(self.code_channels, self.settings.norm, labels) for _ in range(count)]

    def _label_decoder(self, labels: int) -> Role:
        return Role(Told([*self._residual(self.blocks // 2, labels), *self._up(labels)], labels))

    def _up(self, labels: int = 0) -> list[nn.Module]:
        s, w, q = self.settings, self.settings.width, self._q
        if self._flat:
            return [
                Gated(4 * w, 2 * w, (1, 5), kind=s.norm, shuffle=(1, 2), labels=labels),
                Gated(2 * w, w, (1, 5), kind=s.norm, shuffle=(1, 2), labels=labels),
                self._last(nn.Conv2d(w, q, (1, 15), 1, (0, 7))),
                Tall(q),
            ]
        return [
            nn.Conv2d(self.code_channels, 4 * w * self._rows, 1),
            norm(s.norm, 4 * w * self._rows),
            Tall(self._rows),
            Gated(4 * w, 2 * w, (5, 5), kind=s.norm, shuffle=(2, 2), labels=labels),
            Gated(2 * w, w, (5, 5), kind=s.norm, shuffle=(2, 2), labels=labels),
            self._last(nn.Conv2d(w, 1, (5, 15), 1, (2, 7))),
            Rows(q),
        ]

    def _last(self, layer: nn.Conv2d) -> nn.Conv2d:
        if self.settings.residual:  # a change begins small, so that training begins at the affine baseline
            nn.init.normal_(layer.weight, 0.0, 0.1 / math.sqrt(layer.weight[0].numel()))
        return layer

    def _critic(self, channels: int, outputs: int) -> list[nn.Module]:
        s, w = self.settings, self.settings.critic_width
        if s.critic == "patch":
            return [
                Gated(channels, w, (3, 3)),
                Gated(w, 2 * w, (3, 3), (2, 2), s.norm),
                Gated(2 * w, 4 * w, (3, 3), (2, 2), s.norm),
                Gated(4 * w, 8 * w, (3, 3), (2, 2), s.norm),
                Gated(8 * w, 8 * w, (1, 5), kind=s.norm),
                nn.Conv2d(8 * w, outputs, (1, 3), 1, (0, 1)),
            ]
        leaky = nn.LeakyReLU(0.2)
        patches: list[nn.Module] = [nn.Conv2d(2 * channels, w, 3, 1, 1), leaky, nn.Conv2d(w, 2 * w, 4, 2, 1), leaky]
        patches += [nn.Conv2d(2 * w, 4 * w, 4, 2, 1), leaky, nn.Conv2d(4 * w, outputs, 3, 1, 1)]
        rows: list[nn.Module] = [Flat(self._q), nn.Conv2d(2 * channels * self._q, 4 * w, (1, 5), 1, (0, 2)), leaky]
        rows += [nn.Conv2d(4 * w, 4 * w, (1, 4), (1, 2), (0, 1)), leaky]
        rows += [nn.Conv2d(4 * w, 4 * w, (1, 4), (1, 2), (0, 1)), leaky, nn.Conv2d(4 * w, outputs, 1)]
        views = Views(nn.Sequential(*patches), nn.Sequential(*rows))
        leaky_start(views)
        return [Spread(), views]

    def _trunk(self) -> list[nn.Module]:
        """What tells a voice: convolutions over all coefficients, (B, 1, Q, T) -> (B, 4 critic width, 1, T/4)."""
        wide = 4 * self.settings.critic_width
        layers: list[nn.Module] = [Spread(), Flat(self._q)]
        layers += [nn.Conv2d(2 * self._q, wide, (1, 5), 1, (0, 2)), nn.LeakyReLU(0.2)]
        for _ in range(2):
            layers += [nn.Conv2d(wide, wide, (1, 4), (1, 2), (0, 1)), nn.LeakyReLU(0.2)]
        return layers

    def _told(self, labels: int) -> list[nn.Module]:
        wide = 4 * self.settings.critic_width
        return [nn.Conv2d(wide, labels, (1, 3), 1, (0, 1)), nn.AdaptiveAvgPool2d(1), nn.Flatten()]


def _leaky(*layers: nn.Module) -> Role:
    role = Role(*layers)
    leaky_start(role)
    return role
