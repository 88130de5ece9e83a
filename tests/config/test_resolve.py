"""Resolution of settings: precedence of flags, file, preset and defaults; messages for invalid settings."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, get_args

import pytest

from unpaired.config.resolve import Settings, SettingsRequest, get_preset_values, resolve_settings
from unpaired.config.setting_models import get_section_models, list_setting_names
from unpaired.config.settings import Preset
from unpaired.errors import UsageError
from unpaired.media import MEDIA
from unpaired.media.image.settings import ImageSettings
from unpaired.media.voice.settings import VoiceSettings
from unpaired.methods import METHODS
from unpaired.networks.image_settings import ImageNetworkSettings
from unpaired.training.setup import decide_method_settings

IMAGE, VOICE = MEDIA["image"], MEDIA["voice"]
PRESETS: tuple[Preset, ...] = get_args(Preset)


def resolve(
    preset: Preset = "small",
    file: Path | None = None,
    method: str | None = None,
    medium: str = "image",
    **settings: Any,
) -> Settings:
    return resolve_settings(SettingsRequest.read(method, settings=settings, file=file), MEDIA[medium], preset)


def test_paper_preset_has_values_of_the_paper() -> None:
    settings = resolve("paper")
    assert settings.method == "cyclegan"
    expected = {"cycle_weight": 10, "identity_weight": 5, "pool_size": 50, "lr": 2e-4}
    assert settings.method_settings.model_dump().items() >= expected.items()
    assert isinstance(settings.medium_settings, ImageSettings) and isinstance(settings.networks, ImageNetworkSettings)
    assert (settings.medium_settings.size, settings.training.batch_size, settings.networks.width) == (256, 1, 64)
    assert settings.networks.augment == ()
    assert resolve("paper", method="stargan").training.batch_size == 16
    assert resolve("paper", method="stargan", batch_size=8).training.batch_size == 8


def test_flags_override_file_which_overrides_preset(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(
        "preset: small\nnetworks: {width: 24}\nmethod_settings: {cycle_weight: 7}\ntraining: {batch_size: 2}\n"
        "medium_settings: {flip: false}\n"
    )
    settings = resolve("paper", file, batch_size=8)
    assert settings.preset == "small"
    assert isinstance(settings.medium_settings, ImageSettings) and isinstance(settings.networks, ImageNetworkSettings)
    assert settings.networks.blocks == get_preset_values("cyclegan", IMAGE, "small")["networks"]["blocks"]
    assert settings.networks.width == 24
    assert settings.method_settings.model_dump()["cycle_weight"] == 7
    assert settings.training.batch_size == 8
    assert settings.medium_settings.size == 128 and not settings.medium_settings.flip
    assert settings.given == {"width", "cycle_weight", "batch_size", "flip"}


@pytest.mark.parametrize("preset", ["tiny", "small"])
def test_a_methods_preset_replaces_parts_of_the_mediums(preset: Preset) -> None:
    medium_networks = IMAGE.presets[preset]["networks"]
    assert get_preset_values("unit", IMAGE, preset)["networks"] == medium_networks
    own = METHODS["cyclegan"].cls.preset_sections["image"][preset]
    values = get_preset_values("cyclegan", IMAGE, preset)
    assert values["networks"] == {**medium_networks, **own["networks"]} != medium_networks
    assert values["medium_settings"] == IMAGE.presets[preset]["medium_settings"]
    assert (
        values["training"].items() >= {"minutes": IMAGE.presets[preset]["training"]["minutes"], "batch_size": 1}.items()
    )
    voice = MEDIA["voice"]
    assert get_preset_values("cyclegan", voice, preset)["networks"] == voice.presets[preset]["networks"]


@pytest.mark.parametrize("preset", ["tiny", "small"])
@pytest.mark.parametrize("method", [name for name in METHODS if name != "cyclegan"])
def test_only_cyclegan_has_small_networks_of_its_own(method: str, preset: Preset) -> None:
    for section, values in IMAGE.presets[preset].items():
        assert get_preset_values(method, IMAGE, preset)[section].items() >= values.items()


def test_auto_is_accepted_only_where_the_type_contains_it(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("method_settings: {identity_weight: auto}\n")
    for settings in (resolve("paper", identity_weight="auto"), resolve("paper", file=file), resolve("small")):
        assert settings.method_settings.model_dump()["identity_weight"] == "auto"
    assert resolve(identity_weight="0").method_settings.model_dump()["identity_weight"] == 0
    wrong_settings: list[dict[str, Any]] = [
        {"identity_weight": "-1"},
        {"identity_weight": "often"},
        {"cycle_weight": "auto"},
    ]
    for wrong in wrong_settings:
        with pytest.raises(UsageError, match=rf"'{next(iter(wrong))}'"):
            resolve(**wrong)
    with pytest.raises(UsageError, match="'identity_weight'"):
        resolve(method="dtn", identity_weight="auto")
    with pytest.raises(UsageError, match="'discriminator'"):
        resolve(medium="voice", discriminator="multi")


@pytest.mark.parametrize(("distance", "weight"), [(0.1, 2.5), (0.24, 2.5), (0.26, 0.0), (0.6, 0.0)])
def test_the_identity_weight_is_decided_by_the_distance_of_the_domains(distance: float, weight: float) -> None:
    log: list[str] = []
    settings = resolve("small")
    decided = decide_method_settings(settings, lambda: distance, log.append)
    assert decided == settings.method_settings.model_copy(update={"identity_weight": weight})
    assert len(log) == 1 and f"{weight:g}" in log[0] and f"{distance:.0%}" in log[0]


def test_a_given_identity_weight_is_kept_without_a_measurement() -> None:
    def measure() -> float:
        raise AssertionError("measured for nothing")

    log: list[str] = []
    settings = resolve("small", identity_weight=0)
    assert decide_method_settings(settings, measure, log.append) == settings.method_settings and not log
    voice = resolve("small", medium="voice")
    assert decide_method_settings(voice, None, log.append) == voice.method_settings
    with pytest.raises(UsageError, match=r"'identity_weight'.*recordings"):
        decide_method_settings(resolve("small", medium="voice", identity_weight="auto"), None, log.append)


def test_budget_in_steps_replaces_minutes_of_preset(tmp_path: Path) -> None:
    assert resolve(steps=10).training.minutes is None
    file = tmp_path / "settings.yaml"
    file.write_text("training: {steps: 50}\n")
    training = resolve(file=file, minutes=2).training
    assert (training.steps, training.minutes) == (None, 2)
    with pytest.raises(UsageError, match="both steps and minutes"):
        resolve(steps=10, minutes=2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cycle_wieght": 3}, "cycle_weight"),
        ({"depth": 4}, "'depth' is a setting of gan, discogan; cyclegan has: "),
        ({"size": "large"}, "'size': given 'large'"),
        ({"batch_size": 0}, "greater than or equal to 1"),
        ({"norm": "instanse"}, "'norm'"),
        ({"cycle_direction": "forwards"}, "'cycle_direction'"),
    ],
)
def test_invalid_setting_raises_usage_error(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolve(**settings)


@pytest.mark.parametrize(
    ("method", "name", "refused", "accepted"),
    [
        ("fader", "latent_discriminator_dropout", (-0.1, 1.5), (0, 1)),
        ("fader", "latent_adversarial_warmup", (-0.1, 2), (0, 1)),
        ("fader", "residual_decoder_start", (-0.1, 2), (0, 1)),
        ("discogan", "adversarial_fraction", (-0.1, 3), (0, 1)),
        ("discogan", "initial_reconstruction_fraction", (-0.1, 1.1), (0, 1)),
        ("discogan", "final_reconstruction_fraction", (-0.1, 1.1), (0, 1)),
        ("discogan", "discriminator_every", (0, 1), (2,)),
        ("cut", "temperature", (0, -1), (0.01, 2)),
        ("fastcut", "num_patches", (0,), (1,)),
        ("fastcut", "nce_warmup", (-0.1, 1.1), (0, 1)),
        ("vaegan", "latent_dim", (0,), (1,)),
        ("vaegan", "feature_layer", (0,), (1,)),
        ("cogan", "inversion_candidates", (0,), (1,)),
        ("stargan", "n_critic", (0,), (1,)),
        ("cogan", "inversion_steps", (-1,), (0,)),
        ("cyclegan", "identity_weight", (-1,), (0, "auto")),
    ],
)
def test_numbers_outside_of_their_range_raise_usage_error(
    method: str, name: str, refused: tuple[Any, ...], accepted: tuple[Any, ...]
) -> None:
    for value in refused:
        with pytest.raises(UsageError, match=rf"'{name}'.*{value}"):
            resolve(method=method, **{name: value})
    for value in accepted:
        assert getattr(resolve(method=method, **{name: value}).method_settings, name) == value


@pytest.mark.parametrize(
    ("method", "settings", "fix"),
    [
        ("cyclegan", {"identity_end": 0.4, "identity_weight": 0.0}, {"identity_weight": 1.0}),
        ("cyclegan", {"cycle_direction": "backward", "one_way": True}, {"one_way": False}),
        ("stargan", {"gradient_penalty_weight": 5.0}, {"adversarial_loss": "wgan"}),
        ("xgan", {"teacher_weight": 2.0}, {"feature_extractor": "efficientnet-lite0"}),
        ("dualgan", {"weight_clip": 0.1}, {"lipschitz_constraint": "weight-clip"}),
        ("unit", {"antialias": True}, {"generator": "resnet"}),
        ("unit", {"discriminator_layers": 2}, {"discriminator": "patch"}),
        ("unit", {"mcep_order": 30, "representation": "mel"}, {"representation": "world"}),
    ],
)
def test_ineffective_setting_raises_usage_error(method: str, settings: dict[str, Any], fix: dict[str, Any]) -> None:
    name = next(iter(settings))
    medium = "voice" if "mcep_order" in settings else "image"
    with pytest.raises(UsageError, match=rf"'{name}'.*'{next(iter(fix))}'"):
        resolve(method=method, medium=medium, **settings)
    resolve(method=method, medium=medium, **settings | fix)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("netwroks: {width: 3}", "did you mean 'networks'"),
        ("networks: {widht: 3}", "did you mean 'width'"),
        ("networks: {width: [3]}", "'width': given"),
        ("networks: 3", "expected keys and values"),
        ("- 1", "expected the keys"),
        ("a: [", "expected a YAML file"),
        ("method: unit\nmethod_settings: {depth: 2}", "'depth' is a setting of gan, discogan; unit has: "),
        ("method_settings: {dpeth: 2}", "setting 'dpeth' of cyclegan: known: "),
        ("method: cyclgan", "did you mean 'cyclegan'"),
        ("method: [cyclegan]", "expected one of"),
        ("preset: [tiny]", "preset"),
        ("training: {1: 2}", "keys should be strings"),
        ("method_settings: {lr: -1}", "'lr'"),
    ],
)
def test_invalid_file_raises_usage_error(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    with pytest.raises(UsageError, match=message):
        resolve(file=file)


def test_choice_accepts_text_and_number() -> None:
    image, voice = resolve(channels=3).medium_settings, resolve(medium="voice", sample_rate="24000").medium_settings
    assert isinstance(image, ImageSettings) and image.channels == 3 and image.num_channels == 3
    assert isinstance(voice, VoiceSettings) and voice.sample_rate == 24000


@pytest.mark.parametrize(("medium", "other"), [("image", "voice"), ("voice", "image")])
def test_setting_of_other_medium_raises_usage_error_except_defaults_in_file(
    medium: str, other: str, tmp_path: Path
) -> None:
    name = MEDIA[other].crop_setting
    default = MEDIA[other].settings_model.model_fields[name].default
    with pytest.raises(UsageError, match=rf"'{name}'.*{MEDIA[other].files_noun}.*{MEDIA[medium].files_noun}"):
        resolve(medium=medium, **{name: default})
    file = tmp_path / "settings.yaml"
    file.write_text(f"medium_settings: {{{name}: {default}}}\n")
    resolve(medium=medium, file=file)
    file.write_text(f"medium_settings: {{{name}: {default + 4}}}\n")
    with pytest.raises(UsageError, match=f"'{name}'"):
        resolve(medium=medium, file=file)


def test_a_setting_in_a_section_that_is_not_its_own_is_named(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("training: {size: 64}\n")
    with pytest.raises(UsageError, match=r"setting of training 'size'"):
        resolve(file=file)


def test_setting_names_are_unique_across_sections() -> None:
    for row in METHODS.values():
        for medium in MEDIA.values():
            models = get_section_models(row.name, medium)
            names = [name for model in models.values() for name in model.model_fields]
            assert len(names) == len(set(names))
            assert set(names) <= list_setting_names(row.name)


def test_setting_names_are_unique_across_media() -> None:
    """A flag must refer to the same setting for every medium."""
    known: dict[str, Any] = {}
    for medium in MEDIA.values():
        for name, field in medium.settings_model.model_fields.items():
            assert repr(known.setdefault(name, field)) == repr(field)


def test_presets_contain_only_existing_settings() -> None:
    for preset in PRESETS:
        for method in METHODS:
            for medium in MEDIA.values():
                assert resolve(preset, method=method, medium=medium.name).preset == preset
                models = get_section_models(method, medium)
                for section, values in get_preset_values(method, medium, preset).items():
                    assert values.keys() <= models[section].model_fields.keys()


def test_file_accepts_ineffective_setting(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("method: xgan\nmethod_settings: {teacher_weight: 2.0}\n")
    assert resolve(file=file).method_settings.model_dump()["teacher_weight"] == 2


@pytest.mark.parametrize("medium", MEDIA)
def test_settings_can_be_pickled(medium: str) -> None:
    """Settings are pickled for other ranks and benchmark processes."""
    for method in METHODS:
        settings = resolve(method=method, medium=medium)
        copy = pickle.loads(pickle.dumps(settings))
        assert copy == settings and type(copy.method_settings) is type(settings.method_settings)


def test_file_is_read_once_and_used_for_other_methods(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("method: unit\nnetworks: {width: 8}\n")
    request = SettingsRequest.read(settings={"steps": 3}, file=file)
    file.unlink()
    assert (request.method, request.is_given("width"), request.is_given("size")) == ("unit", True, False)
    other = resolve_settings(request.with_method("cyclegan"), IMAGE, "small")
    assert (other.method, other.networks.width, other.training.steps) == ("cyclegan", 8, 3)
