from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tiny_runs import Known, config, make_run
from tiny_voices import RATE, hum, voice_config

from unpaired.cli.main import main
from unpaired.errors import UsageError
from unpaired.media.voice.realtime import PcmFormat, write_pcm_stream
from unpaired.media.voice.streaming import translate_stream
from unpaired.media.voice.world import World
from unpaired.translate import Translator


def pcm(seconds: float, f0_hz: float, rate: int = RATE) -> bytes:
    return np.rint(hum(seconds, f0_hz, rate) * 32767).astype("<i2").tobytes()


def test_a_voice_streams_through_a_run() -> None:
    translator = Translator(voice_config(), Known(), "cpu")
    out, told = io.BytesIO(), list[str]()
    translate_stream(translator, translator.resolve_request("bob"), io.BytesIO(pcm(3, 200)), out, None, told.append)
    made = np.frombuffer(out.getvalue(), "<i2").astype(np.float32) / np.float32(32768)
    assert len(made) == 3 * RATE
    f0 = World().analyse(made)["f0"][0]
    assert np.median(f0[f0 > 0]) == pytest.approx(100, rel=0.05)
    assert "alice to bob: bare 16-bit mono PCM at 16000 Hz" in told[0] and "5." in told[0]


def test_output_stream_has_the_rate_of_the_input() -> None:
    translator = Translator(voice_config(), Known(), "cpu")
    out = io.BytesIO()
    translate_stream(
        translator, translator.resolve_request("bob"), io.BytesIO(pcm(2, 200, 24000)), out, 24000, lambda _: None
    )
    assert len(out.getvalue()) / 2 == pytest.approx(2 * 24000, abs=240)


def test_stream_command_rejects_conflicting_flags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "run", voice_config())
    out = io.BytesIO()
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(pcm(1, 200))))
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdout", SimpleNamespace(buffer=out))
        assert main(["translate", str(run), "--stream", "--to", "bob", "--device", "cpu"]) == 0
    assert len(out.getvalue()) == 2 * RATE
    for words, message in (
        (["--to", "bob"], "expected files or folders to translate, --list TXT, or --stream"),
        (["--to", "bob", "--stream", "in.wav"], "--stream alone"),
        (["--to", "bob", "in.wav", "--sample-rate", "16000"], "--sample-rate: only valid with --stream"),
        (["--to", "bob", "--stream", "--sample-rate", "16"], "expected 4000 to 192000 Hz"),
        (["--to", "bob", "--stream", "--out", "as-bob"], "leave out --out"),
    ):
        assert main(["translate", str(run), *words]) == 2
        assert message in capsys.readouterr().err
    voices = Translator(voice_config(), Known(), "cpu")
    wav = io.BytesIO()
    write_pcm_stream(wav, [hum(0.2, 200)], PcmFormat(RATE, has_wav_header=True))
    with pytest.raises(UsageError, match="--sample-rate 16000: the stream is a WAV"):
        translate_stream(
            voices, voices.resolve_request("bob"), io.BytesIO(wav.getvalue()), io.BytesIO(), 16000, lambda _: None
        )
    pictures = make_run(tmp_path / "pictures", config())
    assert main(["translate", str(pictures), "--stream", "--to", "photos"]) == 2
    assert "--stream: not available for pictures" in capsys.readouterr().err
