"""Properties of every method for voices, with voice networks."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import pytest
import torch
from tiny_methods import build_voice
from torch import Tensor

from unpaired.media import MEDIA
from unpaired.methods import METHODS
from unpaired.methods.base import Batch, BatchTranslation, StepContext, Turn
from unpaired.networks.conditional import concat_label
from unpaired.runs.method_builder import collect_pretrained
from unpaired.testing.gradients import GradientRecorder
from unpaired.testing.method_checks import check_routes, check_training, check_translation
from unpaired.testing.tiny_methods import VOICE_NETWORKS, VOICE_SHAPE, create_batches, create_loop

NAMES = [name for name, row in METHODS.items() if "voice" not in row.unsupported]
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in NAMES),
    *(
        (name, METHODS[name].cls.resolve_settings(preset, lambda: 0.1))
        for name in NAMES
        for preset in METHODS[name].cls.presets.values()
    ),
    *(
        (name, METHODS[name].cls.resolve_settings(preset, lambda: 0.1))
        for name in NAMES
        for preset in METHODS[name].cls.media_presets.get("voice", {}).values()
    ),
    ("recognition-synthesis", {"adversarial_weight": 1.0}),
    ("cyclegan", {"two_step_weight": 1.0}),
    ("cyclegan", {"two_step_weight": 1.0, "one_way": True}),
    ("cyclegan", {"two_step_weight": 1.0, "cycle_direction": "backward", "guess_weight": 1.0}),
    ("cyclegan", {"max_mask_fraction": 0.5}),
    ("cyclegan", {"max_mask_fraction": 0.5, "two_step_weight": 1.0, "transport_weight": 5.0, "one_way": True}),
    ("cut", {"nce_identity": False, "nce_pixels": False}),
    ("fader", {"residual_decoder_start": 0.5}),
    ("fader", {"residual_decoder_start": 0.5, **METHODS["fader"].cls.media_presets["voice"]["small"]}),
]
FORMS: dict[str, dict[str, Any]] = {
    "in time, patches": {"generator_dims": "1"},
    "2-1-2, light": {
        "generator_dims": "2-1-2",
        "networks": {**VOICE_NETWORKS, "discriminator": "light", "residual": True},
    },
}


def voices(items: int = 2, frames: int = VOICE_SHAPE[2]) -> Tensor:
    draws = torch.Generator().manual_seed(2)
    return torch.randn(items, 1, VOICE_SHAPE[1], frames, generator=draws, dtype=torch.float64)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("name", "settings"), VARIANTS)
def test_gradients_and_losses(name: str, settings: dict[str, Any], form: str) -> None:
    method = build_voice(name, **FORMS[form], **settings)
    used = check_training(method, create_batches(method, 2, shape=VOICE_SHAPE))
    assert used == set(method.loss_weights) - ({"identity"} if settings.get("identity_weight") == 0 else set())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", NAMES)
def test_translation_keeps_any_length_and_items_are_independent(name: str, form: str) -> None:
    method = build_voice(name, **FORMS[form])
    for frames in (16, 36):
        assert frames % method.stride == 0
        check_translation(method, voices(2, frames), max_value=None)


@pytest.mark.parametrize("name", NAMES)
def test_route_depends_only_on_its_roles(name: str) -> None:
    check_routes(build_voice(name), voices())


def test_identity_loss_ends_at_its_fraction_of_the_budget() -> None:
    method = build_voice("cyclegan", identity_end=0.5)
    loop, (batch, other) = create_loop(method), create_batches(method, 2, shape=VOICE_SHAPE)
    assert "generators.identity" in loop.step([batch], StepContext(0, 0.49))
    assert "generators.identity" not in loop.step([other], StepContext(1, 0.5))


def test_reconstruction_loss_of_stargan_is_the_distance_of_items_to_themselves_with_their_own_label() -> None:
    """StarGAN-VC, eq. 8: L_id = |G(x, c) - x|, where c is the label of x."""
    method = build_voice("stargan", n_critic=1, adversarial_loss="lsgan", identity_weight=3.0)
    batch = create_batches(method, 1, shape=VOICE_SHAPE)[0]
    turn = [turn for turn in method.play(batch, StepContext(0, 0)) if isinstance(turn, Turn)][1]
    x, maps = batch["x"], batch["label"][:, :, None, None].expand(-1, -1, *batch["x"].shape[2:])
    expected = (method.get_submodule("G")(torch.cat((x, maps), 1)) - x).abs().mean()
    torch.testing.assert_close(turn.losses["identity"], expected)
    assert method.loss_weight("generator", "identity", StepContext(0, 0)) == 3


def test_only_the_first_generator_call_gets_masked_frames() -> None:
    method = build_voice("cyclegan", max_mask_fraction=0.5)
    seen: list[Tensor] = []
    for role in ("G", "F"):
        method.get_submodule(role).register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    create_loop(method).step(create_batches(method, 1, shape=VOICE_SHAPE), StepContext(0, 0.0))
    assert [x.shape[1] for x in seen] == [2, 1, 2, 1, 1, 1], "forward masked, identity; the same back; both cycles"
    x = voices()
    with torch.no_grad():
        plain, masked = (method.translate(item, "X", "Y") for item in (x, torch.cat((x, torch.ones_like(x)), 1)))
        assert torch.equal(plain, masked)


@pytest.mark.parametrize("norm", ["instance-affine", "batch"])
def test_fader_residual_starts_at_zero_and_keeps_the_autoencoder(norm: str) -> None:
    networks = {**VOICE_NETWORKS, "norm": norm}
    plain, method = build_voice("fader", networks), build_voice("fader", networks, residual_decoder_start=0.5)
    x, batches = voices(), create_batches(method, 3, shape=VOICE_SHAPE)
    with torch.no_grad():
        for name in ("E", "G"):
            method.get_submodule(name).load_state_dict(plain.get_submodule(name).state_dict())
        assert torch.equal(method.translate(x, "X", "Y"), plain.translate(x, "X", "Y"))
    loop = create_loop(method)
    before = {name: value.clone() for name, value in method.state_dict().items()}

    def moved(batch: Batch, context: StepContext) -> tuple[set[str], set[str]]:
        losses = loop.step([batch], context)
        changed = {name.split(".")[0] for name, value in method.state_dict().items() if not value.equal(before[name])}
        before.update({name: value.clone() for name, value in method.state_dict().items()})
        return {loss.split(".")[0] for loss in losses}, changed

    assert moved(batches[0], StepContext(0, 0.49)) == (
        {"latent_discriminator", "autoencoder", "discriminator", "classifier"},
        set("ZEGDC"),
    )
    average = loop.ema.method
    expected_parameters = {name: p.clone() for name, p in average.named_parameters() if name[0] in "EG"}
    codes: list[Tensor] = []
    method.get_submodule("E").register_forward_hook(lambda *values: codes.append(values[-1]))
    residual_players = {"residual_decoder", "discriminator", "classifier"}
    assert moved(batches[1], StepContext(1, 0.5)) == (residual_players, set("EGRDC")), "E and G are set to their EMA"
    assert moved(batches[2], StepContext(2, 0.75)) == (residual_players, set("RDC"))
    for networks_of in (method, average):
        parameters = dict(networks_of.named_parameters())
        assert all(torch.equal(parameters[name], p) for name, p in expected_parameters.items())
    assert torch.equal(codes[0], average.get_submodule("E")(batches[1]["x"])), "R trains on the codes of translation"
    code = method.get_submodule("E")(x)
    labelled_code = concat_label(code, torch.tensor([[0.0, 1.0]], dtype=x.dtype).expand(2, -1))
    residual = method.get_submodule("R")(labelled_code)
    expected = method.get_submodule("G")(labelled_code) + residual
    assert torch.equal(method.translate(x, "X", "Y"), expected) and residual.abs().max() > 0


def test_unsupported_media_reasons_name_existing_media() -> None:
    for row in METHODS.values():
        assert row.unsupported.keys() <= MEDIA.keys() and all(row.unsupported.values())
    assert NAMES


class Loudness:
    """Loss of translations: their mean square."""

    name, weight, pretrained = "loudness", 3.0, MappingProxyType({"judge": "0" * 64})

    def __call__(self, translation: BatchTranslation) -> Tensor:
        source, target = translation.labels or translation.key
        assert len(source) == len(target)
        return translation.translate(translation.x).square().mean()


@pytest.mark.parametrize("name", NAMES)
def test_losses_of_translations_train_the_players_that_translate(name: str) -> None:
    method = build_voice(name)
    method.translation_losses = (Loudness(),)
    loop = create_loop(method)
    recorder = GradientRecorder(method, loop)
    losses: dict[str, Tensor] = {}
    for step, batch in enumerate(create_batches(method, 2, shape=VOICE_SHAPE)):
        losses |= loop.step([batch], StepContext(step, step / 2))
    assert recorder.reached == recorder.owned and not recorder.foreign and not recorder.changed
    players = {key.split(".")[0] for key in losses if key.endswith(".loudness")}
    translating = {role for route in method.routes for role in route.roles}
    assert players == {name for name, player in method.players.items() if translating & set(player.roles)}
    assert all(method.loss_weight(player, "loudness", StepContext(0, 0)) == 3 for player in players)
    assert collect_pretrained(method)["judge"] == "0" * 64


@pytest.mark.parametrize("name", NAMES)
def test_a_translation_of_the_first_items_equals_the_first_of_all(name: str) -> None:
    """The content loss compares the first items of a batch only, and therefore translates no others."""
    method = build_voice(name).train()
    batch = create_batches(method, 1, items=3, shape=VOICE_SHAPE)[0]
    for translation in method.list_translations(batch):
        first, whole = translation.translate(translation.x[:2]), translation.translate(translation.x)
        assert first.shape[0] == 2 and torch.allclose(first, whole[:2], rtol=0, atol=1e-12)
