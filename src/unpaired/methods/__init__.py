"""The methods, one paper and one file each; this table is the only place that lists them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from unpaired.config.settings import Medium
from unpaired.methods.base import Method
from unpaired.methods.cogan import CoGAN
from unpaired.methods.combogan import ComboGAN
from unpaired.methods.cut import CUT
from unpaired.methods.cyclegan import CycleGAN
from unpaired.methods.discogan import DiscoGAN
from unpaired.methods.dtn import DTN
from unpaired.methods.dtn_baseline import DTNBaseline
from unpaired.methods.dualgan import DualGAN
from unpaired.methods.fader import Fader
from unpaired.methods.fastcut import FastCUT
from unpaired.methods.gan import GAN
from unpaired.methods.stargan import StarGAN
from unpaired.methods.unit import UNIT
from unpaired.methods.vaegan import VAEGAN
from unpaired.methods.xgan import XGAN


@dataclass(frozen=True)
class MethodInfo:
    """One method as the command line, the README's table and the report present it."""

    name: str
    cls: type[Method]
    year: int
    paper: str
    domains: Literal["2", "many"]
    media: tuple[Medium, ...]
    family: Literal["direct", "common space"]
    constraint: str
    unsupported_reason: str = ""
    """Why it does not learn from the media that it does not learn from."""
    paper_batch_size: int = 1
    """Items of each domain (or of all, where they are drawn together) per step in the paper: preset `paper`."""


DEFAULT_METHOD = "cyclegan"
SINGLE_GENERATOR_METHOD: tuple[str, dict[str, Any]] = ("gan", {"depth": None})
"""As which method, with which settings, a generator from elsewhere enters a run: the one of a single role and way."""
ALL_MEDIA: tuple[Medium, ...] = ("image", "voice")
METHODS: dict[str, MethodInfo] = {
    info.name: info
    for info in (
        MethodInfo(
            "gan",
            GAN,
            2018,
            "Galanti et al., arXiv:1709.00074",
            "2",
            ("image",),
            "direct",
            "none but the depth",
            "only a generator's depth holds words in place, and voices have none to choose",
        ),
        MethodInfo(
            "dtn-baseline",
            DTNBaseline,
            2017,
            "Taigman et al., arXiv:1611.02200",
            "2",
            ("image",),
            "direct",
            "a pretrained embedding",
            "its embedding was trained on pictures",
        ),
        MethodInfo(
            "cyclegan", CycleGAN, 2017, "Zhu et al., arXiv:1703.10593", "2", ALL_MEDIA, "direct", "cycle consistency"
        ),
        MethodInfo(
            "discogan",
            DiscoGAN,
            2017,
            "Kim et al., arXiv:1703.05192",
            "2",
            ("image",),
            "direct",
            "cycle, critic's features",
            "not tried on voices; cyclegan is the same tie",
            paper_batch_size=64,
        ),
        MethodInfo(
            "dualgan",
            DualGAN,
            2017,
            "Yi et al., arXiv:1704.02510",
            "2",
            ("image",),
            "direct",
            "cycle consistency",
            "not tried on voices; cyclegan is the same tie",
        ),
        MethodInfo(
            "cut", CUT, 2020, "Park et al., arXiv:2007.15651", "2", ALL_MEDIA, "direct", "patches alike at one place"
        ),
        MethodInfo(
            "fastcut",
            FastCUT,
            2020,
            "Park et al., arXiv:2007.15651",
            "2",
            ("image",),
            "direct",
            "as cut, mirrored",
            "it mirrors its items, and speech backwards is no speech",
        ),
        MethodInfo(
            "stargan",
            StarGAN,
            2018,
            "Choi et al., arXiv:1711.09020",
            "many",
            ALL_MEDIA,
            "direct",
            "label, cycle",
            paper_batch_size=16,
        ),
        MethodInfo("vaegan", VAEGAN, 2016, "Larsen et al., arXiv:1512.09300", "2", ALL_MEDIA, "common space", "none"),
        MethodInfo(
            "cogan",
            CoGAN,
            2016,
            "Liu and Tuzel, arXiv:1606.07536",
            "2",
            ("image",),
            "common space",
            "shared layers",
            "one vector is sought for the whole item, with no place for words",
            paper_batch_size=64,
        ),
        MethodInfo(
            "unit", UNIT, 2017, "Liu et al., arXiv:1703.00848", "2", ALL_MEDIA, "common space", "shared layers, cycle"
        ),
        MethodInfo(
            "fader",
            Fader,
            2017,
            "Lample et al., arXiv:1706.00409",
            "many",
            ALL_MEDIA,
            "common space",
            "a misled reader of codes",
            paper_batch_size=32,
        ),
        MethodInfo(
            "combogan",
            ComboGAN,
            2017,
            "Anoosheh et al., arXiv:1712.06909",
            "many",
            ALL_MEDIA,
            "common space",
            "cycle through any two",
        ),
        MethodInfo(
            "xgan", XGAN, 2017, "Royer et al., arXiv:1711.05139", "2", ALL_MEDIA, "common space", "shared layers, code"
        ),
        MethodInfo(
            "dtn",
            DTN,
            2017,
            "Taigman et al., arXiv:1611.02200",
            "2",
            ("image",),
            "common space",
            "a pretrained code",
            "its code was trained on pictures",
        ),
    )
}
