from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from test_export import WITHOUT_TORCH
from tiny_runs import make_run
from tiny_voices import RATE, hum, sound, voice_config

from unpaired.export.run import export_run
from unpaired.translate import ExportedTranslator, Translator

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")


@pytest.mark.filterwarnings("ignore:.*the output is")
def test_exported_voice_equals_the_runs(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", voice_config())
    made = export_run(run, tmp_path / "model.onnx", to="bob")
    assert made.verification is not None and made.verification.max_difference < 1e-4
    loaded = onnx.load(made.path)
    _, channels, coefficients, frames = loaded.graph.input[0].type.tensor_type.shape.dim
    assert (channels.dim_value, coefficients.dim_value) == (1, 24) and frames.dim_param
    assert "24" in {entry.key: entry.value for entry in loaded.metadata_props}["preprocessing"]
    ours, theirs = ExportedTranslator.load(made.path), Translator.load(run, device="cpu")
    wave = hum(0.7)
    expected = theirs(wave, to="bob", sample_rate_hz=RATE)
    assert np.allclose(ours(wave, to="bob", sample_rate_hz=RATE), expected, atol=1e-3)
    command = [
        sys.executable,
        "-c",
        WITHOUT_TORCH,
        "translate",
        str(made.path),
        str(sound(tmp_path / "in" / "a.wav", wave)),
    ]
    completed = subprocess.run([*command, "--out", str(tmp_path / "out")], capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stderr
    written, _ = soundfile.read(tmp_path / "out" / "a.wav")
    assert np.allclose(written, theirs(tmp_path / "in" / "a.wav", to="bob").wave, atol=1e-3)
