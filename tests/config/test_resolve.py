"""Settings: flag over file over preset over the method's own; mistakes name the key and the nearest one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from unpaired.config.presets import PRESETS
from unpaired.config.resolve import SECTIONS, SettingsRequest, build_method_settings_model, resolve_settings
from unpaired.config.settings import Medium
from unpaired.errors import UsageError
from unpaired.methods import METHODS


def asked(file: Path | None = None, method: str | None = None, **settings: Any) -> SettingsRequest:
    return SettingsRequest(method=method, preset=None, settings=settings, file=file)


def test_paper_preset_is_the_papers_facts() -> None:
    settings = resolve_settings(asked(), "paper")
    assert settings.method == "cyclegan"
    assert settings.method_settings["cycle_weight"] == 10
    assert settings.method_settings["identity_weight"] == 5
    assert settings.method_settings["pool_size"] == 50
    assert settings.method_settings["lr"] == 2e-4
    assert (settings.data.size, settings.training.batch_size, settings.networks.width) == (256, 1, 64)
    assert settings.networks.augment == ()
    assert resolve_settings(asked(method="stargan"), "paper").training.batch_size == 16
    assert resolve_settings(asked(method="stargan", batch_size=8), "paper").training.batch_size == 8


def test_each_layer_wins_over_the_one_below(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(
        "preset: small\nnetworks: {width: 24}\nmethod_settings: {cycle_weight: 7}\ntraining: {batch_size: 2}\n"
    )
    settings = resolve_settings(asked(file, batch_size=8), "paper")
    assert settings.preset == "small"
    assert settings.networks.generator == PRESETS["small"]["networks"]["generator"]
    assert settings.networks.width == 24
    assert settings.method_settings["cycle_weight"] == 7
    assert settings.training.batch_size == 8


def test_a_budget_in_steps_replaces_the_presets_minutes(tmp_path: Path) -> None:
    assert resolve_settings(asked(steps=10), "small").training.minutes is None
    file = tmp_path / "settings.yaml"
    file.write_text("training: {steps: 50}\n")
    training = resolve_settings(asked(file, minutes=2), "small").training
    assert (training.steps, training.minutes) == (None, 2)
    with pytest.raises(UsageError, match="both steps and minutes"):
        resolve_settings(asked(steps=10, minutes=2), "small")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"cycle_wieght": 3}, "cycle_weight"),
        ({"depth": 4}, "'depth' is a setting of gan, discogan; cyclegan has: "),
        ({"size": "large"}, "'size': given 'large'"),
        ({"batch_size": 0}, "greater than or equal to 1"),
        ({"norm": "instanse"}, "'norm'"),
        ({"cycle_direction": "forwards"}, "'cycle_direction'"),
    ],
)
def test_mistakes_are_named(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        resolve_settings(asked(**settings), "small")


@pytest.mark.parametrize(
    ("method", "settings", "mend"),
    [
        ("cyclegan", {"identity_end": 0.5}, {"identity_weight": 1.0}),
        ("cyclegan", {"cycle_direction": "backward", "one_way": True}, {"one_way": False}),
        ("stargan", {"gradient_penalty_weight": 5.0}, {"adversarial_loss": "wgan"}),
        ("xgan", {"teacher_weight": 2.0}, {"feature_extractor": "efficientnet-lite0"}),
        ("dualgan", {"weight_clip": 0.1}, {"lipschitz_constraint": "weight-clip"}),
        ("unit", {"antialias": True}, {"generator": "resnet"}),
        ("unit", {"discriminator_layers": 2}, {"discriminator": "patch"}),
        ("unit", {"mcep_order": 30, "representation": "mel"}, {"representation": "world"}),
    ],
)
def test_a_setting_that_would_do_nothing_is_refused(
    method: str, settings: dict[str, Any], mend: dict[str, Any]
) -> None:
    name = next(iter(settings))
    medium: Medium = "voice" if "mcep_order" in settings else "image"
    with pytest.raises(UsageError, match=rf"'{name}': does nothing while '{next(iter(mend))}' is "):
        resolve_settings(SettingsRequest(method=method, settings=settings), "small", medium)
    resolve_settings(SettingsRequest(method=method, settings=settings | mend), "small", medium)
    resolve_settings(
        SettingsRequest(method=method, settings=settings), "small"
    )  # of an early look, whose preset may be another


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("netwroks: {width: 3}", "did you mean 'networks'"),
        ("networks: {widht: 3}", "did you mean 'width'"),
        ("networks: {width: [3]}", "'width': given"),
        ("networks: 3", "expected keys and values"),
        ("- 1", "expected the keys"),
        ("a: [", "no YAML file of settings"),
        ("method: unit\nmethod_settings: {depth: 2}", "'depth' is a setting of gan, discogan; unit has: "),
        ("method_settings: {dpeth: 2}", "setting 'dpeth' of cyclegan: known: "),
        ("method: cyclgan", "did you mean 'cyclegan'"),
        ("method: [cyclegan]", "expected one of"),
        ("preset: [tiny]", "preset"),
        ("training: {1: 2}", "keys should be strings"),
        ("method_settings: {lr: -1}", "'lr'"),
    ],
)
def test_mistakes_in_a_file_are_named(text: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    with pytest.raises(UsageError, match=words):
        resolve_settings(asked(file), "small")


def test_a_choice_is_named_by_text_or_by_number() -> None:
    found = resolve_settings(asked(sample_rate="24000", channels=3), "small", None)
    assert (found.voice.sample_rate, found.data.channels) == (24000, "3")


def test_a_settings_flat_name_is_in_one_place_only() -> None:
    for row in METHODS.values():
        names = [name for model in SECTIONS.values() for name in model.model_fields]
        names += list(build_method_settings_model(row.cls).model_fields)
        assert len(names) == len(set(names))


def test_presets_hold_settings_that_exist() -> None:
    for preset in PRESETS:
        for method in METHODS:
            assert resolve_settings(SettingsRequest(method=method), preset).preset == preset


def test_a_file_may_hold_what_does_nothing(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("method: xgan\nmethod_settings: {teacher_weight: 2.0}\n")
    assert resolve_settings(asked(file), "small", "image").method_settings["teacher_weight"] == 2
