"""CoGAN: two generators from noise that share all layers but the last, and so make pairs without having seen any."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from unpaired.methods.game import Batch, Move, Now, Player, Route, Turn, spotted
from unpaired.methods.kinds import Coding, Sampling
from unpaired.networks import Networks
from unpaired.terms.adversarial import Kind, fool


class CoGAN(Coding, Sampling):
    """Liu, Tuzel 2016, arXiv:1606.07536: eq. (2) of two GANs, tied as sec. 3 says.

    G is what the generators share, and G_x, G_y are their last layers; the critics share all layers but the first.
    Translating is sec. 5's: the code whose image in X is closest (squared distance) is searched, and shown in Y. So it
    is slow: `search_steps` passes forth and back for each picture, from the best of `search_starts` fixed draws.

    `clip` bounds the norm of each player's gradient; None is the paper's.

    Differs: the generators move first; codes are normal as in the authors' code (uniform in the paper); the search
    takes normalised gradients with momentum within the prior's sphere, where the paper's L-BFGS would make the pictures
    of a batch depend on each other; norms treat items apart (no batch norm).
    """

    presets = {  # noqa: RUF012 - data
        preset: {"adversarial": "lsgan", "decay": 0.0, "rate": 4e-4, "critic_rate": 4e-4, "clip": 5.0}
        for preset in ("small", "tiny")
    }

    def __init__(
        self,
        net: Networks,
        *,
        codes: int = 100,
        adversarial: Kind = "bce",
        search_steps: int = 50,
        search_starts: int = 64,
        rate: float = 2e-4,
        critic_rate: float = 2e-4,
        decay: float = 5e-4,
        clip: float | None = None,
    ) -> None:
        super().__init__()
        self.codes, self.kind = codes, adversarial
        self.search_steps, self.search_starts = search_steps, max(1, search_starts)
        self.G = net.unfold(codes)
        self.G_x, self.G_y = net.paint("X"), net.paint("Y")
        self.D_x, self.D_y = net.coupled_critics("X", "Y")
        self.players = {
            "generators": Player(("G", "G_x", "G_y"), rate=rate, decay=decay, clip=clip),
            "critics": Player(("D_x", "D_y"), rate=critic_rate, decay=decay, clip=clip),
        }
        self.weights = {"adversarial": 1.0}
        self.routes = (Route("X", "Y", ("G", "G_x", "G_y")), Route("Y", "X", ("G", "G_x", "G_y")))

    def play(self, batch: Batch, now: Now) -> Iterator[Move]:
        """The generators together, then the critics together."""
        x, y = batch["X"], batch["Y"]
        shared = self.G(torch.randn(len(x), self.codes, device=x.device, dtype=x.dtype))
        fake_x, fake_y = self.G_x(shared), self.G_y(shared)
        yield Turn("generators", adversarial=fool(self.D_x(fake_x), self.kind) + fool(self.D_y(fake_y), self.kind))
        spot_x = spotted(self.D_x, x, fake_x, self.kind)
        spot_y = spotted(self.D_y, y, fake_y, self.kind)
        yield Turn("critics", adversarial=spot_x + spot_y)

    def decode(self, code: Tensor, domain: str) -> Tensor:
        """The domain's image of each code, at the trained size."""
        y: Tensor = (self.G_x if domain == "X" else self.G_y)(self.G(code))
        return y

    def encode(self, x: Tensor, domain: str) -> Tensor:
        """The codes (B, codes) whose images are closest to `x`, as far as the search finds them; always the same."""
        start = self._draw(self.search_starts, torch.Generator().manual_seed(0))
        images = self.decode(start, domain)
        x = F.interpolate(x, images.shape[-2:], mode="bilinear", antialias=True).to(images.dtype)
        nearest = [(images - item).square().flatten(1).sum(1).argmin() for item in x]
        code = start[torch.stack(nearest)]
        velocity = torch.zeros_like(code)
        for step in range(self.search_steps):
            with torch.enable_grad():
                code = code.detach().requires_grad_()
                distance = (self.decode(code, domain) - x).square().sum()
                (slope,) = torch.autograd.grad(distance, code)
            velocity = 0.8 * velocity + slope / slope.norm(dim=1, keepdim=True).clamp(min=1e-12)
            code = code.detach() - (1 - step / self.search_steps) * 0.3 * velocity
            code = code * (self.codes**0.5 / code.norm(dim=1, keepdim=True)).clamp(max=1)
        return code

    def sample(self, count: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Joint pairs: each draw shown in both domains."""
        code = self._draw(count, generator)
        return {domain: self.decode(code, domain) for domain in "XY"}

    def _draw(self, count: int, generator: torch.Generator) -> Tensor:
        return torch.randn(count, self.codes, generator=generator).to(next(self.parameters()))
