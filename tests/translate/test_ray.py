"""`unpaired.ray.Translate`: equal to the command, without Ray and on two local workers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny_runs import make_run
from tiny_voices import RATE, hum, voice_config

from unpaired.cli.main import main
from unpaired.errors import UsageError
from unpaired.ray import Translate
from unpaired.translate import Translator

pytestmark = pytest.mark.filterwarnings("ignore:the networks see")
SIZES = ((20, 20), (37, 53), (20, 20), (16, 40))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run")


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    paths = []
    for i, size in enumerate(SIZES):
        paths.append(tmp_path / "in" / f"{i}{'.png' if i % 2 else '.gif'}")
        paths[-1].parent.mkdir(exist_ok=True)
        pixels = np.random.default_rng(i).integers(0, 256, (*size, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(paths[-1])
    return paths


def column(*values: Any) -> np.ndarray[Any, Any]:
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out


@pytest.mark.parametrize("kind", ["bytes", "path"])
def test_files_equal_those_of_the_command(run: Path, pictures: list[Path], tmp_path: Path, kind: str) -> None:
    out = tmp_path / "out"
    broken = tmp_path / "in" / "broken.png"
    broken.write_bytes(b"no picture")
    paths = [*pictures, broken]
    assert main(["translate", str(run), str(tmp_path / "in"), "--to", "paintings", "--out", str(out)]) == 1
    batch = {"path": column(*map(str, paths)), "bytes": column(*(path.read_bytes() for path in paths))}
    result = Translate(run, "paintings", column=kind, device="cpu")(batch)
    assert result.keys() == {"path", "bytes", "translation", "translation_name", "error"}
    assert list(result["translation_name"][:2]) == ["0.gif.png", "1.png"]
    for name, content in zip(result["translation_name"][:4], result["translation"][:4], strict=True):
        assert content == (out / name).read_bytes()
    assert list(result["error"][:4]) == [""] * 4 and result["translation"][4] == b""
    assert result["error"][4] and "unpaired-" not in result["error"][4]


def test_arrays_become_arrays(run: Path) -> None:
    translate = Translate(run, "paintings", column="image", device="cpu")
    expected = Translator.load(run, device="cpu")
    for sizes in (SIZES, SIZES[:1] * 2):
        arrays = [
            np.random.default_rng(i).integers(0, 256, (*size, 3)).astype(np.uint8) for i, size in enumerate(sizes)
        ]
        translations = translate({"image": column(*arrays)})["translation"]
        for array, translation in zip(arrays, translations, strict=True):
            assert np.array_equal(translation, expected(array, to="paintings"))
    assert translations.dtype == np.uint8


def test_waves_become_waves(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", voice_config())
    wave = hum(0.5)
    (translation,) = Translate(run, "bob", column="wave", sample_rate_hz=RATE)({"wave": column(wave)})["translation"]
    assert np.array_equal(translation, Translator.load(run)(wave, to="bob", sample_rate_hz=RATE))


def test_wrong_columns_and_values_are_refused(run: Path) -> None:
    with pytest.raises(UsageError, match=r"'bytes'.*picture"):
        Translate(run, "paintings")({"picture": column(b"")})
    with pytest.raises(UsageError, match=r"'picture'.*float"):
        Translate(run, "paintings", column="picture")({"picture": column(0.5)})
    with pytest.raises(UsageError, match="dogs"):
        Translate(run, "dogs")
    assert Translate(run, "paintings")({"bytes": column()}).keys() == {"bytes"}


def test_two_ray_workers_translate_a_data_set(run: Path, pictures: list[Path], tmp_path: Path) -> None:
    pytest.importorskip("ray")
    (tmp_path / "out").mkdir()
    words = [Path(__file__).with_name("ray_workers.py"), run, tmp_path / "in", tmp_path / "out"]
    completed = subprocess.run(
        [sys.executable, *map(str, words)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    batch = {"path": column(*map(str, pictures))}
    local = Translate(run, "paintings", column="path", device="cpu")(batch)
    for name, content in zip(local["translation_name"], local["translation"], strict=True):
        assert (tmp_path / "out" / name).read_bytes() == content
    assert len(list((tmp_path / "out").iterdir())) == len(pictures)
