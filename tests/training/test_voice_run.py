"""Runs on recordings: training, resuming, translation, and errors for settings of images."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from content_fakes import TinyEncoder
from test_train import quiet, state, stopped_after
from voice_worlds import TINY, buzz, speaker

from unpaired.errors import UsageError, WorkError
from unpaired.media.voice.audio_io import Recording
from unpaired.media.voice.streaming import translate_stream
from unpaired.runs.folder import RunFolder
from unpaired.runs.history import History
from unpaired.runs.method_builder import build_method
from unpaired.training.data_report import check_data
from unpaired.training.train import resume, train
from unpaired.translate import Translator

VOICE: dict[str, Any] = {**TINY, "steps": 4}
OPTIONS: list[tuple[str, dict[str, Any]]] = [
    ("cyclegan", {"max_mask_fraction": 0.5}),
    ("fader", {"residual_decoder_start": 0.75}),
]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("unpaired.media.voice.cache._MAX_INLINE_FILES", 1000)  # avoids starting processes


@pytest.fixture
def speakers(tmp_path: Path) -> Path:
    for name, hz in (("low", 110), ("high", 190)):
        speaker(tmp_path / "voices", name, hz, [0.6] * 10)
    return tmp_path / "voices"


def trained(data: Path, out: Path, **settings: Any) -> Path:
    return train(data, out=out, log=settings.pop("log", quiet), **(VOICE | settings))


def test_voice_run_contains_files_and_config(speakers: Path, tmp_path: Path) -> None:
    messages: list[str] = []
    run = trained(speakers, tmp_path / "run", evaluate_every=2, log=messages.append)
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["medium_settings"]["mcep_order"] == 8 and len(config["domains"][0]["statistics"]["mean"]) == 8
    assert "auto" not in json.dumps({key: config[key] for key in ("data", "networks", "training")} | {"data": {}})
    assert list((run / "samples").glob("*high-low.png")) and (run / "report.html").exists()
    assert any("world features: 8 coefficients at 16000 Hz" in message for message in messages)
    assert any("F0 " in message for message in messages)
    assert any("frame distance" in message for message in messages)
    lines = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    measured = [line for line in lines if line["kind"] == "evaluation"]
    assert measured and measured[0]["metric"] == "frame_distance"
    assert measured[0]["routes"][0]["baselines"]["affine"].keys() == {"frame_distance"}
    method = build_method(RunFolder(run).load_config())
    assert method.translate(torch.randn(1, 1, 8, 20), "X", "Y").shape == (1, 1, 8, 20)


@pytest.mark.parametrize(("method", "method_settings"), [("cyclegan", {}), ("stargan", {}), *OPTIONS])
def test_resumed_voice_run_is_bit_identical(
    method: str, method_settings: dict[str, Any], speakers: Path, tmp_path: Path
) -> None:
    settings = {"method": method, "checkpoint_every": 2, "evaluate_every": 0, "sample_every": 0, **method_settings}
    uninterrupted, interrupted = trained(speakers, tmp_path / "uninterrupted", **settings), tmp_path / "interrupted"
    stopped_after(speakers, interrupted, 3, settings, trained)
    resume(interrupted, log=quiet)
    state_a, state_b = state(uninterrupted), state(interrupted)
    assert state_a.keys() == state_b.keys() and all(torch.equal(state_a[name], state_b[name]) for name in state_a)


@pytest.mark.parametrize("method", ["cyclegan", "stargan"])
def test_run_with_content_loss_resumes_bit_identically_and_translates_without_the_encoder(
    method: str, speakers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match=r"unpaired\[voice-content\]"):
        trained(speakers, tmp_path / "refused", method=method, content_weight=1.0)
    monkeypatch.setattr("unpaired.media.voice.content.encoder.find_content_encoder", lambda *_: TinyEncoder())
    settings = {"method": method, "content_weight": 1.0, "checkpoint_every": 2, "evaluate_every": 0, "sample_every": 0}
    uninterrupted, interrupted = trained(speakers, tmp_path / "uninterrupted", **settings), tmp_path / "interrupted"
    stopped_after(speakers, interrupted, 3, settings, trained)
    resume(interrupted, log=quiet)
    state_a, state_b = state(uninterrupted), state(interrupted)
    assert state_a.keys() == state_b.keys() and all(torch.equal(state_a[name], state_b[name]) for name in state_a)
    assert RunFolder(interrupted).load_config().pretrained == {"tiny": "0" * 64}
    losses = History(RunFolder(interrupted).history).read("losses")[-1]["losses"]
    assert any(name.endswith(".content") and 0 < value < 2 for name, value in losses.items())
    monkeypatch.undo()
    translated = Translator.load(uninterrupted, device="cpu")(speakers / "low" / "00.wav", to="high")
    assert isinstance(translated, Recording) and np.isfinite(translated.wave).all()


@pytest.mark.parametrize(("method", "method_settings"), OPTIONS)
def test_run_with_option_translates_and_streams(
    method: str, method_settings: dict[str, Any], speakers: Path, tmp_path: Path
) -> None:
    run = trained(speakers, tmp_path / "run", method=method, evaluate_every=0, sample_every=0, **method_settings)
    translator = Translator.load(run, device="cpu")
    translated = translator(speakers / "low" / "00.wav", to="high")
    assert (
        isinstance(translated, Recording)
        and np.isfinite(translated.wave).all()
        and len(translated.wave) == round(0.6 * 16000)
    )
    audio, out = np.rint(buzz(1.0) * 32767).astype("<i2").tobytes(), io.BytesIO()
    translate_stream(translator, translator.resolve_request("high", "low"), io.BytesIO(audio), out, None, quiet)
    assert len(out.getvalue()) == len(audio) and np.frombuffer(out.getvalue(), "<i2").any()


def test_settings_of_other_medium_raise_usage_error(speakers: Path, discs: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="setting 'size': for pictures only, but these domains are recordings"):
        trained(speakers, tmp_path / "run", size=64)
    with pytest.raises(UsageError, match="setting 'mcep_order': for recordings only, but these domains are pictures"):
        train(discs, out=tmp_path / "run", log=quiet, mcep_order=20)
    file = tmp_path / "settings.yaml"
    file.write_text("networks: {generator: light}\n")
    with pytest.raises(UsageError, match="setting 'generator': for pictures only"):
        trained(speakers, tmp_path / "run", config=file)
    with pytest.raises(
        UsageError, match="crop_frames 18: these networks need a multiple of 4; try --crop-frames 16 or 20"
    ):
        trained(speakers, tmp_path / "run", crop_frames=18)


def test_config_of_a_run_reproduces_its_settings(speakers: Path, tmp_path: Path) -> None:
    run = trained(speakers, tmp_path / "run", evaluate_every=0, sample_every=0, steps=1)
    again = train(speakers, out=tmp_path / "again", config=run / "config.yaml", log=quiet)
    config_a, config_b = (RunFolder(path).load_config() for path in (run, again))
    assert config_a == config_b


def test_image_method_raises_usage_error_for_recordings(speakers: Path, tmp_path: Path) -> None:
    reason = "fastcut does not learn from recordings: .*reverses speech in time.*cyclegan"
    with pytest.raises(UsageError, match=reason):
        trained(speakers, tmp_path / "run", method="fastcut")


def test_too_little_sound_raises_work_error_and_bad_files_are_skipped(speakers: Path, tmp_path: Path) -> None:
    messages: list[str] = []
    (speakers / "low" / "text.wav").write_text("no sound")
    trained(speakers, tmp_path / "run", evaluate_every=0, sample_every=0, steps=1, log=messages.append)
    assert any(message.startswith("skipped:") and "text.wav" in message for message in messages)
    for path in list((speakers / "low").glob("0*.wav")):
        path.unlink()
    with pytest.raises(WorkError, match=r"domain 'low' has 0.0 s of usable sound \(.*text.wav"):
        trained(speakers, tmp_path / "other")


def test_one_folder_of_recordings_is_checked_and_its_method_is_named(speakers: Path, discs: Path) -> None:
    result = check_data([speakers / "low"], None, lambda *_: None)
    assert result.is_usable and "--method recognition-synthesis" in result.text
    result = check_data([speakers], None, lambda *_: None)
    assert result.is_usable and "--method" not in result.text
    with pytest.raises(UsageError, match="two or more domains"):
        check_data([discs / "red"], None, lambda *_: None)


def test_check_reports_recordings(speakers: Path) -> None:
    result = check_data([speakers], None, lambda done, total: None)
    assert result.is_usable and not result.unreadable
    for fact in ("10 recordings", "16000 Hz, mono: 10", "8 train"):
        assert fact in result.text


def test_attributes_raise_usage_error_for_recordings(tmp_path: Path) -> None:
    folder = speaker(tmp_path, "all", 120, [0.3, 0.3])
    (tmp_path / "all.csv").write_text("file,speaker\n00.wav,ann\n01.wav,ben\n")
    with pytest.raises(
        UsageError, match=r"--attributes speaker: not available for recordings.*a folder for each domain"
    ):
        train(folder, method="stargan", attributes=("speaker",), log=quiet)
    with pytest.raises(UsageError, match="--attributes speaker: not available for recordings"):
        check_data([folder], None, lambda *_: None, ("speaker",))
