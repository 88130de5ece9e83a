"""Training, conversion and evaluation with a method that synthesizes from content, with a small encoder."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from content_fakes import FakeEncoder
from voice_worlds import TINY, buzz, speaker

from unpaired.config.run_config import read_config
from unpaired.errors import UsageError, WorkError
from unpaired.evaluation.run import evaluate
from unpaired.export.run import export_run
from unpaired.media import MEDIA, Medium
from unpaired.media.voice.settings import speaker_statistics, voice_settings
from unpaired.media.voice.streaming import translate_stream
from unpaired.runs.folder import RunFolder
from unpaired.training.feasibility import explain_unsupported
from unpaired.training.listing import list_single_methods
from unpaired.training.train import train
from unpaired.translate.translator import Translator

METHOD = "recognition-synthesis"


@pytest.fixture(autouse=True)
def encoder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setattr("unpaired.media.voice.content.encoder.find_content_encoder", lambda *_: FakeEncoder())
    monkeypatch.setattr("unpaired.media.voice.cache._MAX_INLINE_FILES", 1000)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name, hz in (("alice", 200.0), ("bob", 110.0)):
        speaker(tmp_path, name, hz, [1.0] * 6)
    return tmp_path


def run_training(*folders: Path, out: Path, steps: int = 2, **settings: Any) -> Path:
    return train(
        *folders,
        method=METHOD,
        out=out,
        steps=steps,
        evaluate_every=0,
        device="cpu",
        log=lambda _: None,
        **TINY,
        **settings,
    )


def test_one_folder_of_recordings_trains_a_converter_from_any_speaker(data: Path, tmp_path: Path) -> None:
    run = run_training(data / "bob", out=tmp_path / "run")
    config = read_config(RunFolder(run).config)
    statistics = speaker_statistics(config.domains[0])
    assert [domain.name for domain in config.domains] == ["bob"] and config.pretrained["fake"] == "f" * 64
    assert len(statistics.mean) == 8 + 1 + 1 + 1 and statistics.conditions == 11
    translator = Translator.load(run)
    unknown = buzz(1.0, hz=250.0)
    converted = translator(unknown, to="bob", sample_rate_hz=16000)
    assert converted.shape == unknown.shape and np.isfinite(converted).all()
    soundfile.write(tmp_path / "in.wav", unknown, 16000)
    assert translator(tmp_path / "in.wav", to="bob").wave == pytest.approx(converted, abs=2e-3)  # 16 bits


def test_several_folders_train_one_network_whose_output_depends_on_the_target(data: Path, tmp_path: Path) -> None:
    run = run_training(data / "alice", data / "bob", out=tmp_path / "run", adversarial_weight=0.1)
    translator = Translator.load(run)
    wave = buzz(1.0)
    alice, bob = (translator(wave, to=name, sample_rate_hz=16000) for name in ("alice", "bob"))
    assert np.abs(alice - bob).max() > 1e-3
    found = evaluate(run, [data / "alice", data / "bob"], judges="none", limit=1, device="cpu")
    assert [route.route for route in found.routes] == ["alice -> bob", "bob -> alice"]
    assert all(np.isfinite(route.values["gv"]) for route in found.routes)


def test_stream_of_an_unknown_speaker_is_converted_in_blocks(data: Path, tmp_path: Path) -> None:
    translator = Translator.load(run_training(data / "bob", out=tmp_path / "run"))
    samples = (buzz(3.0) * 32767).astype("<i2")
    sink = io.BytesIO()
    messages: list[str] = []
    translate_stream(
        translator, translator.resolve_request("bob"), io.BytesIO(samples.tobytes()), sink, None, messages.append
    )
    assert len(sink.getvalue()) == 2 * len(samples) and "latency at most 5.4 s" in messages[0]


def test_export_is_refused_because_the_encoder_is_not_part_of_the_file(data: Path, tmp_path: Path) -> None:
    run = run_training(data / "bob", out=tmp_path / "run")
    with pytest.raises(UsageError, match=f"{METHOD}.*encoder"):
        export_run(run, tmp_path / "model.pt", output_format="torchscript", to="bob")
    assert not (tmp_path / "model.pt").exists()


def test_other_methods_refuse_a_single_folder_and_name_the_one_that_takes_it(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=METHOD):
        train(data / "bob", method="cyclegan", out=tmp_path / "run", log=lambda _: None)


@pytest.mark.parametrize("medium", MEDIA.values(), ids=lambda medium: medium.name)
def test_a_method_for_a_single_folder_is_advised_only_if_it_can_be_trained(medium: Medium) -> None:
    names = list_single_methods(medium)
    assert all(not explain_unsupported(name, medium) for name in names)
    assert names == (["recognition-synthesis"] if medium.name == "voice" else [])


def test_mel_features_and_other_encoders_are_refused(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="--representation mel"):
        train(data / "bob", method=METHOD, out=tmp_path / "mel", log=lambda _: None, representation="mel", vad="energy")
    translator = Translator.load(run_training(data / "bob", out=tmp_path / "run"))
    monkeypatch.setattr(
        "unpaired.media.voice.content.encoder.find_content_encoder", lambda *_: FakeEncoder(digest="0" * 64)
    )
    with pytest.raises(WorkError, match="SHA-256 000"):
        translator(buzz(1.0), to="bob", sample_rate_hz=16000)


def test_run_uses_its_own_depth_of_the_encoder_and_refuses_another(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    depths: list[float] = []

    def find_encoder(_: str, depth: float) -> FakeEncoder:
        depths.append(depth)
        return FakeEncoder(name=f"fake, depth {depth}", depth=depth)

    monkeypatch.setattr("unpaired.media.voice.content.encoder.find_content_encoder", find_encoder)
    default = run_training(data / "bob", out=tmp_path / "default")
    half = run_training(data / "bob", out=tmp_path / "half", content_depth=0.5)
    assert [voice_settings(read_config(RunFolder(run).config)).content_depth for run in (default, half)] == [1, 0.5]
    depths.clear()
    Translator.load(half)(buzz(1.0), to="bob", sample_rate_hz=16000)
    assert set(depths) == {0.5}
    config = RunFolder(half).config
    config.write_text(config.read_text().replace("content_depth: 0.5", "content_depth: 1.0"))
    with pytest.raises(WorkError, match=r"fake, depth 1\.0.*fake, depth 0\.5"):
        Translator.load(half)(buzz(1.0), to="bob", sample_rate_hz=16000)
