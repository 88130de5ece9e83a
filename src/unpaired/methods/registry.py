"""The table of methods: the only place that lists them. Installed packages add theirs by entry points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

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
from unpaired.methods.recognition_synthesis import RecognitionSynthesis
from unpaired.methods.stargan import StarGAN
from unpaired.methods.unit import UNIT
from unpaired.methods.vaegan import VAEGAN
from unpaired.methods.xgan import XGAN
from unpaired.plugins import PluginTable


@dataclass(frozen=True)
class MethodInfo:
    """One method, as the command line, the table of methods and the report present it.

    `name` is the value of --method. `domains` says for how many domains one run is, `constraint` what ties an output to
    the content of its input. `family` is "direct" (a generator maps source to target) or "common space" (an encoder and
    a decoder with a latent code between). `unsupported` says by medium why the method cannot learn from its files.
    `paper_batch_size` is the batch size of the preset `paper`: items per domain, or in total for methods with labels.
    """

    name: str
    cls: type[Method]
    year: int
    paper: str
    domains: Literal["2", "many"]
    family: Literal["direct", "common space"]
    constraint: str
    unsupported: Mapping[str, str] = field(default_factory=dict)
    paper_batch_size: int = 1

    def __post_init__(self) -> None:
        """Raise TypeError if `cls` is not a method."""
        if not (isinstance(self.cls, type) and issubclass(self.cls, Method)):
            raise TypeError(
                f"method '{self.name}': cls is {self.cls!r}, expected a subclass of unpaired.methods.base.Method"
            )


DEFAULT_METHOD = "cyclegan"
SINGLE_GENERATOR_METHOD: tuple[str, dict[str, Any]] = ("gan", {"depth": None})
"""Method and settings of a run around an imported generator: the method with one generator and one direction."""
METHODS: PluginTable[MethodInfo] = PluginTable(
    "unpaired.methods",
    MethodInfo,
    (
        MethodInfo(
            name="gan",
            cls=GAN,
            year=2018,
            paper="Galanti et al., arXiv:1709.00074",
            domains="2",
            family="direct",
            constraint="none (a shallow generator)",
            unsupported={"voice": "its only content constraint is a shallow generator, which does not preserve words"},
        ),
        MethodInfo(
            name="dtn-baseline",
            cls=DTNBaseline,
            year=2017,
            paper="Taigman et al., arXiv:1611.02200",
            domains="2",
            family="direct",
            constraint="perceptual loss on pretrained features",
            unsupported={"voice": "its feature extractor is pretrained on images"},
        ),
        MethodInfo(
            name="cyclegan",
            cls=CycleGAN,
            year=2017,
            paper="Zhu et al., arXiv:1703.10593",
            domains="2",
            family="direct",
            constraint="cycle consistency",
        ),
        MethodInfo(
            name="discogan",
            cls=DiscoGAN,
            year=2017,
            paper="Kim et al., arXiv:1703.05192",
            domains="2",
            family="direct",
            constraint="cycle consistency, feature matching",
            unsupported={"voice": "it has not been tested on voices; cyclegan has the same content constraint"},
            paper_batch_size=64,
        ),
        MethodInfo(
            name="dualgan",
            cls=DualGAN,
            year=2017,
            paper="Yi et al., arXiv:1704.02510",
            domains="2",
            family="direct",
            constraint="cycle consistency",
            unsupported={"voice": "it has not been tested on voices; cyclegan has the same content constraint"},
        ),
        MethodInfo(
            name="cut",
            cls=CUT,
            year=2020,
            paper="Park et al., arXiv:2007.15651",
            domains="2",
            family="direct",
            constraint="contrastive loss on patches",
        ),
        MethodInfo(
            name="fastcut",
            cls=FastCUT,
            year=2020,
            paper="Park et al., arXiv:2007.15651",
            domains="2",
            family="direct",
            constraint="contrastive loss on patches, flip equivariance",
            unsupported={"voice": "it flips its inputs, which reverses speech in time"},
        ),
        MethodInfo(
            name="stargan",
            cls=StarGAN,
            year=2018,
            paper="Choi et al., arXiv:1711.09020",
            domains="many",
            family="direct",
            constraint="cycle consistency, label classification",
            paper_batch_size=16,
        ),
        MethodInfo(
            name="vaegan",
            cls=VAEGAN,
            year=2016,
            paper="Larsen et al., arXiv:1512.09300",
            domains="2",
            family="common space",
            constraint="none (baseline)",
            paper_batch_size=64,
        ),
        MethodInfo(
            name="cogan",
            cls=CoGAN,
            year=2016,
            paper="Liu and Tuzel, arXiv:1606.07536",
            domains="2",
            family="common space",
            constraint="shared layers",
            unsupported={"voice": "one latent vector stands for a whole item and cannot hold a sequence of words"},
            paper_batch_size=128,
        ),
        MethodInfo(
            name="unit",
            cls=UNIT,
            year=2017,
            paper="Liu et al., arXiv:1703.00848",
            domains="2",
            family="common space",
            constraint="shared layers, cycle consistency",
        ),
        MethodInfo(
            name="fader",
            cls=Fader,
            year=2017,
            paper="Lample et al., arXiv:1706.00409",
            domains="many",
            family="common space",
            constraint="adversarial classifier on the latent code",
            paper_batch_size=32,
        ),
        MethodInfo(
            name="combogan",
            cls=ComboGAN,
            year=2017,
            paper="Anoosheh et al., arXiv:1712.06909",
            domains="many",
            family="common space",
            constraint="cycle consistency between any two domains",
        ),
        MethodInfo(
            name="xgan",
            cls=XGAN,
            year=2017,
            paper="Royer et al., arXiv:1711.05139",
            domains="2",
            family="common space",
            constraint="shared layers, consistency of the latent code",
        ),
        MethodInfo(
            name="dtn",
            cls=DTN,
            year=2017,
            paper="Taigman et al., arXiv:1611.02200",
            domains="2",
            family="common space",
            constraint="pretrained features as the latent code",
            unsupported={"voice": "its encoder is pretrained on images"},
        ),
        MethodInfo(
            name="recognition-synthesis",
            cls=RecognitionSynthesis,
            year=2016,
            paper="Sun et al., ICME",
            domains="many",
            family="common space",
            constraint="content features of a pretrained recognizer",
            unsupported={"image": "its content features are those of a speech recognizer"},
        ),
    ),
)


def register_method(info: MethodInfo) -> None:
    """Add a method to those that this process can train; raises UsageError if its name is taken.

    A package that declares its MethodInfo as an entry point of the group "unpaired.methods" adds it to every process.
    """
    METHODS.add(info)
