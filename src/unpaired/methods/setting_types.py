"""Settings that several methods share: type and help text.

A method's settings are the keyword-only parameters of its `__init__`. Their annotations carry the help text
(`Annotated[TYPE, Doc(...)]`), which `--help`, the settings page, the report and error messages display, and the limits
of a number (`Field`) unless these are 0 and above.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import Doc

from unpaired.losses.adversarial import AdversarialLoss

Auto = Literal["auto"]
"""Value of a setting that `Method.resolve_settings` decides from the data before training."""

Fraction = Annotated[float, Field(ge=0, le=1)]
PositiveInt = Annotated[int, Field(ge=1)]
IntFromTwo = Annotated[int, Field(ge=2)]
"""Types of numbers with limits; other numbers must not be negative."""

# Optimization
LearningRate = Annotated[
    float,
    Doc(
        "Learning rate of the networks that translate (generators, encoders, decoders). "
        "Lower it if the losses oscillate or diverge."
    ),
]
DiscriminatorLearningRate = Annotated[
    float,
    Doc(
        "Learning rate of the discriminators and classifiers. "
        "Lower it if the discriminators win early and outputs stop improving."
    ),
]
GradClip = Annotated[
    float | None,
    Doc(
        "Maximum gradient norm of the networks that train together; none: no limit. "
        "Set it, for example to 5, if training diverges."
    ),
]
WeightDecay = Annotated[
    float, Doc("L2 penalty on the weights of all networks; 0: off. Raise it if the discriminators overfit.")
]
OptimizerName = Annotated[
    Literal["rmsprop", "adam"],
    Doc("Optimizer of all networks: rmsprop (the paper's) or adam. Choose adam for short runs."),
]

# Adversarial training
AdversarialLossName = Annotated[
    AdversarialLoss,
    Doc(
        "Form of the adversarial loss: lsgan (least squares), bce (cross entropy) or hinge. "
        "Change it if training is unstable."
    ),
]
AdversarialWeight = Annotated[
    float, Doc("Weight of the adversarial loss. Raise it if outputs do not look like the target domain.")
]
CriticSteps = Annotated[
    PositiveInt,
    Doc(
        "Number of discriminator steps per generator step; at least 1. "
        "Lower it for short runs, raise it if the discriminator is too weak."
    ),
]
PoolSize = Annotated[
    int,
    Doc(
        "Number of past translations stored per domain to train the discriminator on; 0: no pool. "
        "Raise it if training oscillates."
    ),
]
PerDomainScores = Annotated[
    bool,
    Doc(
        "The discriminator has one output per domain and scores realism within that domain. "
        "Turn it off to score realism over all domains."
    ),
]

# Content constraints
CycleWeight = Annotated[
    float,
    Doc(
        "Weight of the cycle consistency loss (an input against its round trip). "
        "Raise it if outputs lose the input's content."
    ),
]
CycleNoise = Annotated[
    float,
    Doc(
        "Standard deviation of the noise added to a translation before the return trip, for values in [-1, 1]; 0: off. "
        "Raise it to about 0.1 if the audit finds hidden signals."
    ),
]
IdentityWeight = Annotated[
    float,
    Doc(
        "Weight of the identity loss (an item of the target domain should pass unchanged); 0: off. "
        "Raise it if colors shift without reason."
    ),
]
AutoIdentityWeight = Annotated[
    float | Auto,
    Doc(
        "Weight of the identity loss (an item of the target domain should pass unchanged); 0: off; auto (pictures "
        "only): 2.5, or 0 if the domains' intensities differ by 25 % of the range or more. "
        "Raise it if dark and light are exchanged; set it to 0 if outputs stay too close to inputs."
    ),
]
ReconstructionWeight = Annotated[
    float,
    Doc(
        "Weight of the reconstruction loss (an input against its decoded latent code). Raise it if outputs lose detail."
    ),
]
LatentConsistencyWeight = Annotated[
    float,
    Doc(
        "Weight of the distance between the latent codes of an input and its translation; 0: off. "
        "Raise it if content changes."
    ),
]
PerceptualWeight = Annotated[
    float,
    Doc(
        "Weight of the perceptual loss (distance between pretrained features of input and output). "
        "Raise it if outputs lose content."
    ),
]
TransportWeight = Annotated[
    float,
    Doc("Weight of the optimal transport loss on frames (voice only); 0: off. Raise it if speech sounds are swapped."),
]

# PatchNCE (cut, fastcut)
NceWeight = Annotated[
    float,
    Doc(
        "Weight of the PatchNCE loss (each output patch should match the input patch at its place). "
        "Raise it if outputs lose content."
    ),
]
NceWarmup = Annotated[
    Fraction,
    Doc(
        "Fraction of the budget (0 to 1) over which the PatchNCE weight rises from zero; 0: none. "
        "Raise it if outputs copy the input's brightness."
    ),
]
NcePixels = Annotated[
    bool,
    Doc(
        "The PatchNCE loss also compares raw pixels, as one more layer. "
        "Turn it off if brightness or colors must change strongly."
    ),
]
NumPatches = Annotated[
    PositiveInt, Doc("Number of patches sampled from each layer for the PatchNCE loss. Lower it to save memory.")
]
Temperature = Annotated[
    float,
    Field(gt=0),
    Doc("Temperature of the PatchNCE loss, above 0. Lower it to separate similar patches more strictly."),
]

# Networks and latent codes
GeneratorDepth = Annotated[
    int | None,
    Doc(
        "Number of convolutions and transposed convolutions in the generator; none: use --generator and --blocks. "
        "Raise it for larger changes."
    ),
]
LatentDim = Annotated[PositiveInt, Doc("Number of values in the latent code. Raise it if outputs lack detail.")]
KLWeight = Annotated[
    float,
    Doc(
        "Weight of the KL divergence of the latent codes from the normal prior. "
        "Raise it if samples from the prior look poor or the codes of the domains drift apart."
    ),
]
PretrainedName = Annotated[
    str,
    Doc(
        "Frozen pretrained network: efficientnet-lite0, vgg16-hed, timm:NAME, or a name from "
        "unpaired.register_embedding. Choose one trained on images like yours."
    ),
]
