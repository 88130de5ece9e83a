from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image
from tiny_voices import RATE, hum, sound

from unpaired.cli.main import main
from unpaired.data.folders import discover
from unpaired.errors import UsageError, WorkError
from unpaired.media.voice.baseline_fitting import fit_baseline
from unpaired.media.voice.world import World


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return recordings of alice at 200 Hz and of bob at 100 Hz, whose upper harmonics are weaker."""
    root = tmp_path_factory.mktemp("speakers")
    for i in range(2):
        sound(root / "alice" / f"{i}.wav", hum(0.8, 200.0 * (1 + i / 20)))
        wave = hum(0.8, 100.0 * (1 + i / 20))
        sound(root / "bob" / f"{i}.wav", np.convolve(wave, np.hanning(12) / 6, "same").astype(np.float32))
    return root


def c1_and_f0(path: Path) -> tuple[float, float]:
    wave, rate = soundfile.read(path)
    assert rate == RATE
    features = World().analyse(wave.astype(np.float32))
    middle = features.slice_frames(40, 120)
    return float(middle.values[0].mean()), float(np.median(middle["f0"]))


@pytest.mark.parametrize("kind", ["affine", "knn"])
def test_convert_command_fits_and_applies_a_baseline(
    data: Path, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["convert", str(data / "alice"), str(data / "bob"), str(data / "alice"), "--out", str(out)]
    words += ["--baseline", kind, "--vad", "energy"]
    assert main(words) == 0
    assert f"Converted 2 files to {out}" in capsys.readouterr().out
    (before, _), (after, f0), (goal, _) = (
        c1_and_f0(path) for path in (data / "alice" / "0.wav", out / "0.wav", data / "bob" / "0.wav")
    )
    assert abs(after - goal) < 0.4 * abs(before - goal) and f0 == pytest.approx(100, rel=0.08)
    assert main(words) == 0
    assert "Skipped 2 up to date" in capsys.readouterr().out


def test_baseline_fitting_raises_errors_for_unusable_inputs(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match="baseline 'gmm'; expected affine or knn"):
        fit_baseline("gmm", discover([data / "alice", data / "bob"]))  # type: ignore[arg-type]
    for name in ("p", "q"):
        (tmp_path / name).mkdir()
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / name / "p.png")
    p, q, out = (str(tmp_path / name) for name in ("p", "q", "out"))
    assert main(["convert", p, q, p, "--out", out]) == 2
    assert "convert: not available for pictures" in capsys.readouterr().err and not Path(out).exists()
    sound(tmp_path / "quiet" / "a.wav", np.zeros(RATE))
    with pytest.raises(WorkError, match=r"'quiet': none of its recordings can be used; skipped: .*silent"):
        fit_baseline("affine", discover([data / "alice", tmp_path / "quiet"]))
