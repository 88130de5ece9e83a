from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_runs import Known, config, domain, make_run

from unpaired.cli.main import main
from unpaired.errors import UsageError
from unpaired.media.image.generation import interpolate_files, sample_files
from unpaired.media.image.image_grid import GAP_PIXELS, render_image_grid
from unpaired.media.image.image_tensors import from_tensor
from unpaired.methods.capabilities import EncoderDecoderMethod, SamplingMethod
from unpaired.translate import Translator


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write an untrained run of a method of each kind."""
    root = tmp_path_factory.mktemp("runs")
    for name in ("vaegan", "unit"):
        make_run(root / name, config(method=name))
    make_run(root / "cogan", config(method="cogan", inversion_steps=3, inversion_candidates=4))
    make_run(root / "gray", config(domain("photos", color=False, bits=16, high=4000), domain("art"), method="cogan"))
    make_run(root / "cyclegan", config())
    return root


def picture(path: Path, seed: int, size: tuple[int, int] = (20, 16)) -> Path:
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    return path


def shown(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_samples_are_joint_and_follow_the_seed(runs: Path, tmp_path: Path) -> None:
    translator = Translator.load(runs / "cogan")
    files = sample_files(translator, 18, tmp_path / "one", seed=3)
    expected = {tmp_path / "one" / name / f"{i:04}.png" for name in ("photos", "paintings") for i in range(18)}
    assert set(files) == expected | {tmp_path / "one" / "sheet.png"} and all(path.is_file() for path in files)
    method = translator.method
    assert isinstance(method, SamplingMethod)
    draws = torch.Generator().manual_seed(3)
    with torch.no_grad():
        parts = [method.sample(n, draws) for n in (16, 2)]
    for key, name in (("X", "photos"), ("Y", "paintings")):
        truth = torch.cat([part[key] for part in parts])
        for i in (0, 17):
            made = shown(tmp_path / "one" / name / f"{i:04}.png")
            assert np.array_equal(made, np.rint(from_tensor(truth[i], 0, 255, is_color=True)))
    sample_files(translator, 2, tmp_path / "again", seed=3)
    sample_files(translator, 2, tmp_path / "other", seed=4)
    first = "photos/0000.png"
    assert (tmp_path / "again" / first).read_bytes() == (tmp_path / "one" / first).read_bytes()
    assert (tmp_path / "other" / first).read_bytes() != (tmp_path / "one" / first).read_bytes()


def test_samples_have_the_domains_color_and_bits(runs: Path, tmp_path: Path) -> None:
    sample_files(Translator.load(runs / "gray"), 1, tmp_path / "out")
    with Image.open(tmp_path / "out" / "photos" / "0000.png") as image:
        assert image.mode.startswith("I;16") and np.asarray(image).max() <= 4000
    with Image.open(tmp_path / "out" / "art" / "0000.png") as image:
        assert image.mode == "RGB"


def test_existing_files_raise_usage_error_without_overwrite(runs: Path, tmp_path: Path) -> None:
    translator = Translator.load(runs / "vaegan")
    there = tmp_path / "out" / "paintings" / "0001.png"
    there.parent.mkdir(parents=True)
    there.write_text("mine")
    with pytest.raises(UsageError, match=r"0001\.png: exists"):
        sample_files(translator, 2, tmp_path / "out")
    assert there.read_text() == "mine" and not (tmp_path / "out" / "sheet.png").exists()
    sample_files(translator, 2, tmp_path / "out", overwrite=True)
    assert shown(there).shape == (16, 16, 3)


@pytest.mark.parametrize("name", ["unit", "vaegan", "cogan"])
def test_the_path_goes_from_one_picture_to_the_other_in_both_domains(runs: Path, tmp_path: Path, name: str) -> None:
    translator = Translator.load(runs / name)
    ends = picture(tmp_path / "a.png", 0, (16, 16)), picture(tmp_path / "b.png", 1, (16, 16))
    interpolate_files(translator, ends, ("photos", "paintings"), tmp_path / "out", steps=3)
    method = translator.method
    assert isinstance(method, EncoderDecoderMethod)
    a, b = (torch.tensor(shown(end)).permute(2, 0, 1)[None] / 127.5 - 1 for end in ends)
    with torch.no_grad():
        codes = method.encode(a, "X"), method.encode(b, "Y")
        for key, folder in (("X", "photos"), ("Y", "paintings")):
            for i, code in enumerate((codes[0], (codes[0] + codes[1]) / 2, codes[1])):
                truth = from_tensor(method.decode(code, key)[0], 0, 255, is_color=True)
                assert np.abs(shown(tmp_path / "out" / folder / f"{i:04}.png") - truth).max() <= 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["paintings", "photos", "sheet.png"]


def test_a_sheet_shows_every_picture_where_it_belongs() -> None:
    rows = [(name, torch.rand(3, 3, 8, 10) * 2 - 1) for name in ("one", "a longer name")]
    page = render_image_grid(rows, ["first", "", "last"])
    bottom, right = page.shape[0] - GAP_PIXELS, page.shape[1]
    for j, (_, pictures) in enumerate(reversed(rows)):
        y = bottom - 8 - j * (8 + GAP_PIXELS)
        left = next(x for x in range(right) if (page[y : y + 8, x : x + 10] == values(pictures[0])).all())
        for i, one in enumerate(pictures):
            x = left + i * (10 + GAP_PIXELS)
            assert (page[y : y + 8, x : x + 10] == values(one)).all()
        assert (page[y : y + 8, :left] < 128).any(), "the row's name"
    assert (page[: bottom - 2 * (8 + GAP_PIXELS), left:] < 128).any(), "the columns' words"


def values(x: torch.Tensor) -> np.ndarray:
    return np.rint(from_tensor(x, 0, 255, is_color=True))


def test_error_lists_methods_with_latent_codes(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    end = str(picture(tmp_path / "a.png", 0))
    assert main(["sample", str(runs / "unit"), "--out", str(tmp_path / "out")]) == 2
    assert "method unit cannot" in (words := read_stderr(capsys)) and "vaegan, cogan" in words
    assert main(["interpolate", str(runs / "cyclegan"), end, end, "--from", "photos"]) == 2
    assert "cyclegan cannot interpolate" in (words := read_stderr(capsys)) and "vaegan, cogan, unit" in words
    assert not (tmp_path / "out").exists()
    with pytest.raises(UsageError, match="cannot generate pictures"):
        sample_files(Translator(config(), Known()), 1, tmp_path)


def read_stderr(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err


def test_the_commands(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b, out = str(picture(tmp_path / "a.png", 0)), str(picture(tmp_path / "b.png", 1)), str(tmp_path / "s" / "it.png")
    words = ["interpolate", str(runs / "vaegan"), a, b, "--out", out, "--steps", "4"]
    assert main([*words, "--from", "photos,paintings"]) == 0 and capsys.readouterr().out.strip() == out
    assert [path.name for path in (tmp_path / "s").iterdir()] == ["it.png"]
    assert main([*words, "--from", "photos"]) == 2 and "--overwrite" in read_stderr(capsys)
    assert main([*words, "--from", "photos", "--overwrite"]) == 0
    assert main(words) == 2 and "--from DOMAIN" in read_stderr(capsys)
    assert main([*words, "--from", "photo"]) == 2 and "photos, paintings" in read_stderr(capsys)
    assert main([*words, "--from", "photos", "--steps", "1"]) == 2
    assert main(["interpolate", str(runs / "unit"), a, str(tmp_path / "none.png"), "--from", "photos"]) == 2
    capsys.readouterr()
    assert main(["sample", str(runs / "cogan"), "--n", "2", "--out", str(tmp_path / "many")]) == 0
    assert capsys.readouterr().out.strip().endswith("sheet.png")
    assert main(["sample", str(runs / "cogan"), "--n", "0", "--out", str(tmp_path / "none")]) == 2
