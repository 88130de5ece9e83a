"""Pictures of 2, 4 or more channels: reading, training, translation, measures, and pictures of them for people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
import torch
import yaml
from conftest import TINY
from PIL import Image
from tiny_runs import Known, config, domain

from unpaired.cli.main import main
from unpaired.errors import UnreadableFileError, UsageError, WorkError
from unpaired.media.image.image_io import read_channels, read_header, read_image, resize, write_array
from unpaired.media.image.image_tensors import from_tensor
from unpaired.media.image.network_input import describe_network_input
from unpaired.media.image.pixel_types import choose_result_type
from unpaired.networks.rgb import describe_rgb, to_rgb
from unpaired.training.train import train
from unpaired.translate import Outcome, Translator, translate_files


def noise(*shape: int, dtype: str = "uint8", high: int = 250, seed: int = 0) -> npt.NDArray[Any]:
    return np.random.default_rng(seed).integers(0, high, shape).astype(dtype)


def write(path: Path, array: npt.NDArray[Any], **tags: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, array)
    else:
        tifffile.imwrite(path, array, photometric="minisblack", planarconfig="contig", **tags)
    return path


def read(path: Path) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = np.load(path) if path.suffix == ".npy" else tifffile.imread(path)
    return array


def go(translator: Translator, *inputs: Path, out: Path) -> Outcome:
    return translate_files(translator, inputs, out, translator.resolve_request("paintings"))


def create_translator(channels: int, bits: Any = 8, low: float = 0, high: float = 255) -> Translator:
    domains = [domain(name, color=False, bits=bits, low=low, high=high) for name in ("photos", "paintings")]
    return Translator(config(*domains, resize_mode="crop", channels=channels), Known(-1.0), "cpu")


@pytest.mark.parametrize("suffix", [".tif", ".npy"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
def test_every_band_is_read_with_its_values(tmp_path: Path, suffix: str, channels: int, dtype: str) -> None:
    array = noise(20, 24, channels, dtype=dtype)
    path = write(tmp_path / f"a{suffix}", array if channels > 1 else array[..., 0])
    image = read_image(path, all_bands=True)
    assert np.array_equal(image.pixels, array) and image.alpha is None and image.dtype == np.dtype(dtype)
    header = read_header(path, all_bands=True)
    assert (header.width, header.height, header.losses) == (24, 20, ())


def test_alpha_is_a_channel_if_all_bands_are_read(tmp_path: Path) -> None:
    array = noise(20, 24, 4)
    Image.fromarray(array).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="rgb", extrasamples=["assocalpha"])
    for name in ("a.png", "a.tif"):
        assert np.array_equal(read_channels(tmp_path / name, 4).pixels, array), name
    with pytest.raises(UnreadableFileError, match=r"a\.png.* 4 .*5"):
        read_channels(tmp_path / "a.png", 5)


@pytest.mark.parametrize("array", [np.zeros(5), np.zeros((2, 3, 4, 5)), np.zeros((0, 4)), np.zeros((4, 4), complex)])
def test_other_arrays_are_named_errors(tmp_path: Path, array: npt.NDArray[Any]) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(UnreadableFileError, match=r"a\.npy"):
        read_image(tmp_path / "a.npy")


@pytest.mark.parametrize("damage", ["empty", "cut", "pickle", "text"])
def test_damaged_arrays_are_named_errors(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.array([{}]) if damage == "pickle" else noise(20, 24, 5), allow_pickle=True)
    data = path.read_bytes()
    path.write_bytes({"empty": b"", "cut": data[:900], "pickle": data, "text": b"text"}[damage])
    for call in (read_image, read_header):
        with pytest.raises(UnreadableFileError, match=r"a\.npy"):
            call(path)


@pytest.mark.parametrize("suffix", [".tif", ".npy"])
@pytest.mark.parametrize("channels", [2, 4, 6])
@pytest.mark.parametrize(("dtype", "bits", "high"), [("uint8", 8, 255), ("uint16", 16, 4000), ("int16", 32, 300)])
def test_translations_keep_channels_type_and_suffix(
    tmp_path: Path, suffix: str, channels: int, dtype: str, bits: int, high: int
) -> None:
    array = noise(18, 21, channels, dtype=dtype, high=high + 1)
    write(tmp_path / "in" / f"a{suffix}", array)
    outcome = go(create_translator(channels, bits, 0, high), tmp_path / "in", out=tmp_path / "out")
    assert not outcome.failed, outcome
    result = read(tmp_path / "out" / f"a{suffix}")
    # The network negates, so that low becomes high, channel by channel.
    assert result.dtype == array.dtype and np.array_equal(result, (high - array.astype(int)).astype(dtype))


def test_large_pictures_keep_their_channels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    array = noise(96, 80, 5, dtype="uint16", high=4001)
    write(tmp_path / "in" / "a.tif", array)
    translator = create_translator(5, 16, 0, 4000)
    go(translator, tmp_path / "in", out=tmp_path / "whole")
    monkeypatch.setattr("unpaired.media.image.pipeline.LARGE_PIXELS", 1000)
    go(translator, tmp_path / "in", out=tmp_path / "tiles")
    whole, tiles = (read(tmp_path / name / "a.tif") for name in ("whole", "tiles"))
    assert tiles.shape == array.shape and np.array_equal(whole, tiles) and np.array_equal(whole, 4000 - array)


def test_files_of_other_channels_and_formats_are_named(tmp_path: Path) -> None:
    write(tmp_path / "in" / "a.tif", noise(18, 20, 3))
    Image.fromarray(noise(18, 20, 3)).save(tmp_path / "in" / "b.jpg")
    write(tmp_path / "in" / "c.npy", noise(18, 20, 6))
    outcome = go(create_translator(6), tmp_path / "in", out=tmp_path / "out")
    assert outcome.done == 1
    reasons = {path.name: reason for path, reason in outcome.failed}
    assert "3 channels" in reasons["a.tif"] and "6" in reasons["a.tif"] and ".tif" in reasons["b.jpg"]
    with pytest.raises(UsageError, match="5 channels"):
        write_array(tmp_path / "a.jpg", noise(8, 8, 5), False)


def test_arrays_and_tensors_in_memory() -> None:
    translator = create_translator(4)
    array = noise(16, 20, 4)
    assert np.array_equal(translator(array, "paintings"), 255 - array)
    x = torch.rand(2, 4, 16, 20) * 2 - 1
    assert torch.allclose(translator(x, "paintings"), -x, atol=1e-6)
    with pytest.raises(UsageError, match="4"):
        translator(noise(16, 20, 3), "paintings")


def test_result_types_follow_the_values_of_the_target() -> None:
    int16 = np.dtype(np.int16)
    assert choose_result_type(int16, 32, -1000, 2000) == int16
    assert choose_result_type(int16, 32, 0, 1) == np.float32  # two levels
    assert choose_result_type(int16, 32, 0, 60000) == np.float32  # too large
    assert choose_result_type(np.dtype(np.float64), 32, 0, 1) == np.float64
    assert choose_result_type(np.dtype(np.uint16), 8, 0, 255) == np.uint8


def test_two_channels_are_resized_separately() -> None:
    """A picture library takes the second of two channels for alpha, by which it would weight the first."""
    pixels = np.stack([np.full((16, 16), 200.0), np.zeros((16, 16))], axis=-1).astype(np.float32)
    resized = resize(pixels, 8, 8, bits=8)
    assert np.allclose(resized[..., 0], 200) and np.allclose(resized[..., 1], 0)


def test_channels_shown_in_color() -> None:
    x = torch.arange(5.0).reshape(1, 5, 1, 1) / 5
    assert to_rgb(x[:, :1]).flatten().tolist() == [0, 0, 0]
    assert to_rgb(x[:, :2]).flatten().tolist() == pytest.approx([0, 0.2, 0])
    assert to_rgb(x).flatten().tolist() == pytest.approx([0, 0.2, 0.4])
    assert not describe_rgb(1) and not describe_rgb(3) and "green" in describe_rgb(2) and "5" in describe_rgb(5)
    assert from_tensor(torch.ones(2, 4, 4), 0, 255, False).shape == (4, 4, 3)  # white stays white
    assert (from_tensor(torch.ones(2, 4, 4), 0, 255, False) == 255).all()


@pytest.fixture
def satellites(tmp_path: Path) -> Path:
    """Return a folder with two domains of 12 pictures of five channels, in TIFF and .npy."""
    for k, name in enumerate(("dry", "wet")):
        for i in range(12):
            suffix = ".npy" if i % 2 else ".tif"
            write(tmp_path / "data" / name / f"{i:02}{suffix}", noise(20, 18, 5, dtype="uint16", high=3000, seed=i + k))
    return tmp_path / "data"


@pytest.mark.usefixtures("without_features")
def test_train_evaluate_and_translate(satellites: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(satellites), "--size", "16"]) == 0
    assert "--channels 5" in capsys.readouterr().out
    messages: list[str] = []
    run = train(satellites, out=tmp_path / "run", log=messages.append, steps=2, **TINY)
    settings = yaml.safe_load((run / "config.yaml").read_text())
    assert settings["medium_settings"]["channels"] == 5
    assert not any("not used" in message for message in messages)
    grid = next((run / "samples").glob("*.png"))
    assert np.asarray(Image.open(grid)).shape[2] == 3
    assert "channels 1, 2 and 3 of 5" in (run / "report.html").read_text()
    assert main(["evaluate", str(run)]) == 0
    assert "channels 1, 2 and 3 of 5" in (run / "evaluation.json").read_text()
    out = tmp_path / "out"
    assert main(["translate", str(run), str(satellites / "dry"), "--to", "wet", "--out", str(out)]) == 0
    assert {read(p).shape for p in out.glob("[0-9]*")} == {(20, 18, 5)}
    assert {read(p).dtype for p in out.glob("[0-9]*")} == {np.dtype("uint16")}
    assert len(list(out.glob("*.npy"))) == 6


@pytest.mark.usefixtures("without_features")
@pytest.mark.parametrize(("channels", "number"), [(None, "3 channels"), (5, "4"), (7, "5")])
def test_files_must_agree(satellites: Path, channels: int | None, number: str, tmp_path: Path) -> None:
    extra: dict[str, Any] = {} if channels is None else {"channels": channels}
    array = noise(20, 18, 4, dtype="uint16")
    if channels is None:
        Image.fromarray(noise(20, 18, 3)).save(satellites / "wet" / "odd.png")
        number = "gray or color"
    elif channels == 5:
        write(satellites / "wet" / "odd.tif", array)
    with pytest.raises(WorkError, match=number) as error:
        train(satellites, out=tmp_path / "run", log=lambda _: None, steps=1, **TINY, **extra)
    assert ("odd" in str(error.value) and "wet" in str(error.value)) or channels == 7
    assert "--channels" in str(error.value)


@pytest.mark.usefixtures("without_features")
def test_color_bands_alone_are_used_on_request(satellites: Path, tmp_path: Path) -> None:
    messages: list[str] = []
    run = train(satellites, out=tmp_path / "run", log=messages.append, steps=1, channels=3, **TINY)
    assert yaml.safe_load((run / "config.yaml").read_text())["medium_settings"]["channels"] == 3
    assert any("2 bands" in message and "not used" in message for message in messages)


def test_description_of_an_exported_network() -> None:
    x, y = domain("photos", color=False, bits=16, high=4000), domain("paintings", color=False, bits=16, high=4000)
    described = describe_network_input(config(x, y, channels=5), x, y, 4)
    assert described.shape == (5, 16, 16) and "All 5 bands" in described.preprocessing
    assert "white" not in described.preprocessing and "gray" not in described.postprocessing
