"""NIfTI volumes: slices by anatomical axes, values, training, and translations with the same header."""

from __future__ import annotations

import gzip
import sys
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import yaml
from conftest import TINY
from tiny_runs import Known, config, domain

from unpaired.cli.main import main
from unpaired.errors import UnreadableFileError, UsageError
from unpaired.media.image import nifti
from unpaired.media.image.image_io import read_header, read_image
from unpaired.media.image.nifti import list_slices
from unpaired.media.image.value_range import ValueRange, measure_quantiles
from unpaired.training.train import train
from unpaired.translate import Outcome, Translator, translate_files

nibabel = pytest.importorskip("nibabel")
pytestmark = pytest.mark.usefixtures("without_features")

RAS = np.diag([2.0, 2.0, 3.0, 1.0])


def noise(*shape: int, dtype: str = "int16", seed: int = 0, low: int = 0, high: int = 1000) -> npt.NDArray[Any]:
    return np.random.default_rng(seed).integers(low, high, shape).astype(dtype)


def write_volume(path: Path, values: npt.NDArray[Any], affine: Any = RAS, scaling: Any = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nibabel.Nifti1Image(values, affine)
    image.header["descrip"] = b"made for a test"
    image.header["cal_max"] = 1000
    image.header.set_xyzt_units("mm", "sec")
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"kept"))
    if scaling is not None:
        image.header.set_slope_inter(*scaling)
    nibabel.save(image, path)
    return path


def create_translator(plane: str = "axial", low: float = 0, high: float = 1000) -> Translator:
    domains = [domain(name, color=False, bits=32, low=low, high=high) for name in ("photos", "paintings")]
    settings = config(*domains, resize_mode="crop", channels=1)
    medium_settings = settings.medium_settings.model_copy(update={"slice_axis": plane})
    return Translator(settings.model_copy(update={"medium_settings": medium_settings}), Known(-1.0), "cpu")


def go(translator: Translator, *inputs: Path, out: Path) -> Outcome:
    return translate_files(translator, inputs, out, translator.resolve_request("paintings"))


def test_slices_are_seen_in_the_radiological_convention(tmp_path: Path) -> None:
    """One voxel is marked at the right, one at the front and one at the top of a volume of 5 x 6 x 7 voxels."""
    values = np.zeros((5, 6, 7), np.int16)
    values[4, 2, 3], values[2, 5, 3], values[2, 2, 6] = 100, 200, 300  # right, anterior, superior
    path = write_volume(tmp_path / "a.nii", values)
    axial = read_image(path / "axial-0004").pixels[..., 0]
    assert axial.shape == (6, 5) and axial[3, 0] == 100 and axial[0, 2] == 200  # right at the left, front at the top
    coronal = read_image(path / "coronal-0003").pixels[..., 0]
    assert coronal.shape == (7, 5) and coronal[3, 0] == 100 and coronal[0, 2] == 300
    sagittal = read_image(path / "sagittal-0003").pixels[..., 0]
    assert sagittal.shape == (7, 6) and sagittal[3, 0] == 200 and sagittal[0, 3] == 300  # front at the left


@pytest.mark.parametrize("code", ["LAS", "PSR", "ILA"])
@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_slices_do_not_depend_on_the_storage_order(tmp_path: Path, code: str, plane: Any) -> None:
    values = noise(5, 6, 7)
    image = nibabel.Nifti1Image(values, RAS)
    orientation = nibabel.orientations.ornt_transform(
        nibabel.io_orientation(RAS), nibabel.orientations.axcodes2ornt(code)
    )
    other = image.as_reoriented(orientation)
    write_volume(tmp_path / "a.nii", values)
    write_volume(tmp_path / "b.nii.gz", np.asarray(other.dataobj), other.affine)
    names = list_slices(tmp_path / "a.nii", plane)
    assert names == list_slices(tmp_path / "b.nii.gz", plane) and len(names) == {"a": 7, "c": 6, "s": 5}[plane[0]]
    for name in names:
        a, b = (read_image(tmp_path / file / str(name)).pixels for file in ("a.nii", "b.nii.gz"))
        assert np.array_equal(a, b)


def test_values_are_scaled_as_the_header_says(tmp_path: Path) -> None:
    stored = noise(5, 6, 7)
    path = write_volume(tmp_path / "a.nii", stored, scaling=(2, -1024))
    expected = nibabel.load(path).get_fdata()[::-1, ::-1, 2].T
    image = read_image(path / "axial-0003")
    assert np.allclose(image.pixels[..., 0], expected) and image.dtype == np.float32
    header = read_header(path / "axial-0003")
    assert (header.width, header.height, header.bits) == (5, 6, 32)


def test_a_series_of_volumes_continues_the_numbers(tmp_path: Path) -> None:
    values = noise(5, 6, 7, 3)
    path = write_volume(tmp_path / "a.nii", values)
    assert len(list_slices(path, "axial")) == 21
    assert np.array_equal(read_image(path / "axial-0016").pixels[..., 0], values[::-1, ::-1, 1, 2].T)
    with pytest.raises(UnreadableFileError, match="21"):
        read_image(path / "axial-0022")


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize(
    ("plane", "shape"), [("axial", (18, 20, 9)), ("coronal", (9, 20, 18)), ("sagittal", (18, 5, 20, 2))]
)
def test_translations_are_volumes_with_the_same_header(
    tmp_path: Path, suffix: str, plane: str, shape: tuple[int, ...]
) -> None:
    values = noise(*shape)
    affine = np.array([[0, -2.0, 0, 4], [1.5, 0, 0.1, -3], [0, 0, 3, 7], [0, 0, 0, 1]])
    path = write_volume(tmp_path / f"a{suffix}", values, affine)
    outcome = go(create_translator(plane), path, out=tmp_path / "out")
    assert outcome.done == 1 and not outcome.failed, outcome.failed
    result, given = nibabel.load(tmp_path / "out" / f"a{suffix}"), nibabel.load(path)
    assert np.array_equal(np.asarray(result.dataobj), 1000 - values)
    assert result.get_data_dtype() == np.int16 and np.array_equal(result.affine, given.affine)
    for field in ("pixdim", "xyzt_units", "descrip", "qform_code", "sform_code", "dim"):
        assert np.array_equal(result.header[field], given.header[field]), field
    assert [e.get_content() for e in result.header.extensions] == [b"kept"] and result.header["cal_max"] == 0


def test_scaled_volumes_become_floating_point(tmp_path: Path) -> None:
    path = write_volume(tmp_path / "a.nii", noise(18, 20, 3, high=500), scaling=(2, 0))
    assert go(create_translator(), path, out=tmp_path / "out").done == 1
    result = nibabel.load(tmp_path / "out" / "a.nii")
    assert result.get_data_dtype() == np.float32
    assert np.allclose(result.get_fdata(), 1000 - nibabel.load(path).get_fdata(), atol=1e-3)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("kept", [0, 20, 400, 0.6])
def test_damaged_files_are_named(tmp_path: Path, suffix: str, kept: float) -> None:
    path = write_volume(tmp_path / f"a{suffix}", noise(18, 20, 9))
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data)) if kept == 0.6 else int(kept)])
    outcome = go(create_translator(), path, out=tmp_path / "out")
    assert outcome.done == 0 and len(outcome.failed) == 1 and not (tmp_path / "out" / path.name).exists()
    with pytest.raises(UnreadableFileError, match=rf"a\{suffix}"):
        read_image(path / "axial-0009")


def test_the_number_of_cached_volumes_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them keeps a file open."""
    monkeypatch.setattr(nifti, "MAX_CACHED_VOLUMES", 2)
    cache = nifti.VolumeCache()
    paths = [write_volume(tmp_path / f"{i}.nii", noise(2, 2, 2)) for i in range(5)]
    volumes = [weakref.ref(cache.open(path)[1]) for path in paths]
    assert [volume() is not None for volume in volumes] == [False, False, False, True, True]


def test_other_contents_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.nii").write_bytes(b"no volume" * 100)
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(b"no volume" * 100))
    colors = np.zeros((4, 4, 4), np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))
    nibabel.save(nibabel.Nifti1Image(colors, RAS), tmp_path / "c.nii")
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 4), np.complex64), RAS), tmp_path / "d.nii")
    for name in ("a.nii", "b.nii.gz", "c.nii", "d.nii"):
        for call in (read_image, read_header):
            with pytest.raises(UnreadableFileError, match=name):
                call(tmp_path / name)


def test_the_missing_package_is_named_with_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_volume(tmp_path / "day" / "a.nii", noise(18, 20, 9))
    write_volume(tmp_path / "night" / "a.nii", noise(18, 20, 9))
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(UsageError, match=r"pip install 'unpaired\[medical\]'"):
        read_image(path)
    assert main(["check", str(tmp_path)]) == 2
    assert main(["train", str(tmp_path), "--out", str(tmp_path / "run"), "--steps", "1"]) == 2


def test_percentiles_of_all_pictures() -> None:
    values = ValueRange()
    pictures = [np.arange(1000, dtype=np.float32) + 500 * i for i in range(3)]
    for i, picture in enumerate(pictures):
        quantiles = measure_quantiles(picture[None])
        assert quantiles is not None
        values.add(quantiles, str(i))
    expected = np.percentile(np.concatenate(pictures), [2, 98])
    assert np.allclose(values.find_percentiles(2, 98), expected, atol=12)
    assert values.find_percentiles(0, 100) == (0, 1999)


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Return a folder with two domains of five volumes of six slices."""
    for k, name in enumerate(("t1", "t2")):
        for i in range(5):
            write_volume(tmp_path / "data" / name / f"{i}.nii.gz", noise(18, 20, 6, seed=10 * k + i))
    return tmp_path / "data"


def test_train_evaluate_and_translate(scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nifti, "MAX_CACHED_BYTES", 10_000)  # volumes are read again
    messages: list[str] = []
    given: dict[str, Any] = {"percentile_range": (10, 90), "slice_axis": "coronal", **TINY}
    run = train(scans, out=tmp_path / "run", log=messages.append, steps=2, **given)
    settings = yaml.safe_load((run / "config.yaml").read_text())
    assert settings["medium_settings"]["slice_axis"] == "coronal"
    assert settings["medium_settings"]["percentile_range"] == [10, 90]
    statistics = settings["domains"][0]["statistics"]
    assert abs(statistics["low"] - 100) < 20 and abs(statistics["high"] - 900) < 20
    assert any("percentiles 10 and 90" in message for message in messages)
    assert any("60 train, 20 validation, 20 test" in message for message in messages)
    assert main(["evaluate", str(run)]) == 0
    out = tmp_path / "out"
    assert main(["translate", str(run), str(scans / "t1"), "--to", "t2", "--out", str(out)]) == 0
    assert {nibabel.load(path).shape for path in out.glob("*.nii.gz")} == {(18, 20, 6)}
    assert len(list(out.glob("*.nii.gz"))) == 5


def test_one_range_is_given(scans: Path, tmp_path: Path) -> None:
    for extra in ({"percentile_range": (90, 10)}, {"percentile_range": (1, 99), "value_range": (0, 1)}):
        settings: dict[str, Any] = TINY | extra
        with pytest.raises(UsageError, match="percentile_range"):
            train(scans, out=tmp_path / "run", log=lambda _: None, steps=1, **settings)
