"""Configuration of a label-conditioned run with two groups of labels."""

from __future__ import annotations

from unpaired.config.run_config import RunConfig
from unpaired.config.setting_models import build_method_settings_model
from unpaired.config.settings import DataSettings, TrainingSettings
from unpaired.data.domain import Domain
from unpaired.labels import LabelGroup, Labels
from unpaired.media.image.settings import ImageSettings, ImageStatistics
from unpaired.methods import METHODS
from unpaired.networks.image_settings import ImageNetworkSettings

LABELS = Labels(
    groups=(LabelGroup(values=("black", "blond", "brown")), LabelGroup(values=("glasses",))), dataset_groups=((0, 1),)
)


def make_labelled_config() -> RunConfig:
    """Return the configuration of a StarGAN run on `LABELS`."""
    domains = [Domain(name=name, sources=(), statistics=ImageStatistics(color=True)) for name in LABELS.domains]
    return RunConfig(
        unpaired_version="0",
        method="stargan",
        preset="tiny",
        medium="image",
        method_settings=build_method_settings_model(METHODS["stargan"].cls)(),
        medium_settings=ImageSettings(channels="3"),
        domains=tuple(domains),
        labels=LABELS,
        data=DataSettings(),
        networks=ImageNetworkSettings(),
        training=TrainingSettings(),
    )
