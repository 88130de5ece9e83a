"""DICOM files: modality values, series as groups of files, and translations as derived objects."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from conftest import TINY
from open_files import count_openings, no_more_open_files
from tiny_runs import Known, config, domain

from unpaired.cli.main import main
from unpaired.data.folders import discover
from unpaired.data.split import split_files
from unpaired.errors import ResourceLimitError, UnreadableFileError, UsageError
from unpaired.media.image.image_io import read_header, read_image
from unpaired.media.image.settings import ImageSettings
from unpaired.media.image.stacks import count_series, get_group, list_items
from unpaired.training.train import train
from unpaired.translate import Outcome, Translator, translate_files

pydicom = pytest.importorskip("pydicom")
pytestmark = pytest.mark.usefixtures("without_features")

CT, SYNTAX = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"
SERIES = "1.2.826.0.1.3680043.8.498.1"


def noise(*shape: int, dtype: str = "int16", seed: int = 0, low: int = -900, high: int = 1000) -> npt.NDArray[Any]:
    return np.random.default_rng(seed).integers(low, high, shape).astype(dtype)


def write_dicom(path: Path, stored: npt.NDArray[Any], syntax: str = SYNTAX, **attributes: Any) -> Path:
    """Write a CT slice, or frames, of stored values (H, W), (H, W, 3) or (frames, H, W)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.SOPClassUID, dataset.SOPInstanceUID = CT, pydicom.uid.generate_uid(entropy_srcs=[str(path)])
    dataset.file_meta.MediaStorageSOPClassUID = CT
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.PatientName, dataset.PatientID, dataset.Modality = "Test^A", "1", "CT"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3.4", SERIES
    dataset.FrameOfReferenceUID, dataset.ImagePositionPatient = "1.2.3.5", [1.5, -2, 30]
    dataset.ImageOrientationPatient, dataset.PixelSpacing = [1, 0, 0, 0, 1, 0], [0.7, 0.7]
    dataset.ImageType, dataset.SeriesDescription = ["ORIGINAL", "PRIMARY", "AXIAL"], "thorax"
    is_color = stored.ndim == 3 and stored.shape[2] == 3
    dataset.SamplesPerPixel = 3 if is_color else 1
    dataset.PhotometricInterpretation = "RGB" if is_color else "MONOCHROME2"
    if is_color:
        dataset.PlanarConfiguration = 0
    elif stored.ndim == 3:
        dataset.NumberOfFrames = len(stored)
    dataset.Rows, dataset.Columns = stored.shape[:2] if is_color else stored.shape[-2:]
    bits = 8 * stored.dtype.itemsize
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
    dataset.PixelRepresentation = int(stored.dtype.kind == "i")
    dataset.SmallestImagePixelValue, dataset.WindowCenter, dataset.WindowWidth = 5, 40, 400
    dataset.add_new("PixelData", "OB" if bits == 8 else "OW", stored.tobytes())
    for name, value in attributes.items():
        setattr(dataset, name, value)
    dataset.save_as(path, implicit_vr=False, little_endian=True, enforce_file_format=True)
    return path


def create_translator(low: float, high: float, bits: Any = 32) -> Translator:
    domains = [domain(name, color=False, bits=bits, low=low, high=high) for name in ("photos", "paintings")]
    return Translator(config(*domains, resize_mode="crop", channels=1), Known(-1.0), "cpu")


def go(translator: Translator, *inputs: Path, out: Path) -> Outcome:
    return translate_files(translator, inputs, out, translator.resolve_request("paintings"))


def get_values(path: Path) -> npt.NDArray[Any]:
    """Return the modality values of a file, by pydicom alone."""
    dataset = pydicom.dcmread(path)
    return np.asarray(pydicom.pixels.apply_modality_lut(dataset.pixel_array, dataset))


def test_modality_values_are_read(tmp_path: Path) -> None:
    stored = noise(20, 24, dtype="uint16", low=0, high=4000)
    path = write_dicom(tmp_path / "a.dcm", stored, RescaleSlope=1, RescaleIntercept=-1024)
    image, header = read_image(path), read_header(path)
    assert np.array_equal(image.pixels[..., 0], stored.astype(int) - 1024) and image.dtype == np.int32
    assert (header.width, header.height, header.bits) == (24, 20, 32)
    scaled = write_dicom(tmp_path / "b.dcm", stored, RescaleSlope=0.5, RescaleIntercept=2)
    assert np.allclose(read_image(scaled).pixels[..., 0], stored / 2 + 2) and read_image(scaled).dtype == np.float32


def test_a_file_is_not_called_damaged_if_too_many_are_open(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", noise(20, 24))
    read_image(path)  # imports what it needs
    for read in (read_image, read_header):
        with no_more_open_files(path), pytest.raises(ResourceLimitError, match=r"a\.dcm.*ulimit -n"):
            read(path)


@pytest.mark.parametrize("frames", [1, 3])
def test_a_file_is_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frames: int) -> None:
    path = write_dicom(tmp_path / "a.dcm", noise(20, 24) if frames == 1 else noise(frames, 20, 24))
    for read in (read_image, read_header):
        assert count_openings(monkeypatch, path, read) == 1


def test_inverted_gray_and_color(tmp_path: Path) -> None:
    stored = noise(20, 24, dtype="uint16", low=0, high=4000)
    inverted = write_dicom(
        tmp_path / "a.dcm", stored, PhotometricInterpretation="MONOCHROME1", BitsStored=12, HighBit=11
    )
    assert np.array_equal(read_image(inverted).pixels[..., 0], 4095 - stored.astype(int))
    color = noise(20, 24, 3, dtype="uint8", low=0, high=255)
    path = write_dicom(tmp_path / "b.dcm", color)
    assert np.array_equal(read_image(path).pixels, color) and read_image(path).bits == 8


def test_translations_are_derived_objects(tmp_path: Path) -> None:
    stored = noise(3, 20, 24, dtype="uint16", low=0, high=2001)
    for i, frame in enumerate(stored):
        write_dicom(tmp_path / "in" / f"{i}.dcm", frame, RescaleSlope=1, RescaleIntercept=-1000, InstanceNumber=i)
    outcome = go(create_translator(-1000, 1000), tmp_path / "in", out=tmp_path / "out")
    assert outcome.done == 3 and not outcome.failed, outcome.failed
    results = [pydicom.dcmread(tmp_path / "out" / f"{i}.dcm") for i in range(3)]
    for i, result in enumerate(results):
        given = pydicom.dcmread(tmp_path / "in" / f"{i}.dcm")
        assert np.array_equal(get_values(tmp_path / "out" / f"{i}.dcm"), -get_values(tmp_path / "in" / f"{i}.dcm"))
        for name in (
            "PatientID",
            "StudyInstanceUID",
            "FrameOfReferenceUID",
            "ImagePositionPatient",
            "ImageOrientationPatient",
            "PixelSpacing",
            "InstanceNumber",
            "SOPClassUID",
            "RescaleIntercept",
        ):
            assert result.get(name) == given.get(name), name
        assert list(result.ImageType) == ["DERIVED", "SECONDARY", "AXIAL"]
        assert result.SOPInstanceUID != given.SOPInstanceUID and result.SeriesInstanceUID != SERIES
        assert result.file_meta.MediaStorageSOPInstanceUID == result.SOPInstanceUID
        assert result.SourceImageSequence[0].ReferencedSOPInstanceUID == given.SOPInstanceUID
        assert "photos" in result.DerivationDescription and "paintings" in result.SeriesDescription
        assert "SmallestImagePixelValue" not in result
        assert (result.WindowCenter, result.WindowWidth) == (0, 2000)
        described = (result.Rows, result.Columns, result.BitsAllocated, result.BitsStored, result.HighBit)
        assert described == (20, 24, 16, 16, 15) and result.PixelRepresentation == 0
        assert result.SamplesPerPixel == 1 and result.PhotometricInterpretation == "MONOCHROME2"
        assert len(result.PixelData) == 2 * 20 * 24
    assert len({result.SeriesInstanceUID for result in results}) == 1
    assert len({result.SOPInstanceUID for result in results}) == 3
    again = tmp_path / "again"
    go(create_translator(-1000, 1000), tmp_path / "in", out=again)
    assert (again / "0.dcm").read_bytes() == (
        tmp_path / "out" / "0.dcm"
    ).read_bytes()  # a repetition is the same object


def test_values_that_the_input_cannot_store_get_another_slope(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", noise(20, 24, dtype="uint16", low=0, high=1000))
    translator = create_translator(0, 1000)
    request = translator.resolve_request("paintings", options={"target_range": (-50, 0.5)})
    assert translate_files(translator, [path], tmp_path / "out", request).done == 1
    expected = 0.5 - get_values(path) * 50.5 / 1000
    assert np.allclose(get_values(tmp_path / "out" / "a.dcm"), expected, atol=51 / 65535)


def test_frames_and_eight_bits(tmp_path: Path) -> None:
    frames = noise(3, 19, 23, dtype="uint8", low=0, high=255)
    path = write_dicom(tmp_path / "a.dcm", frames)
    image = read_image(path / "0002")
    assert np.array_equal(image.pixels[..., 0], frames[1]) and image.bits == 8
    with pytest.raises(UnreadableFileError, match="3 frames"):
        read_image(path / "0004")
    assert go(create_translator(0, 255, 8), path, out=tmp_path / "out").done == 1
    result = pydicom.dcmread(tmp_path / "out" / "a.dcm")
    assert np.array_equal(result.pixel_array, 255 - frames) and result.NumberOfFrames == 3
    assert result.BitsAllocated == 8 and len(result.PixelData) % 2 == 0


def test_an_object_in_memory(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", noise(20, 24))
    image = create_translator(-1000, 1000)(path, "paintings")
    assert np.allclose(np.asarray(image), -get_values(path), atol=1e-3)


def test_unusable_files_are_named(tmp_path: Path) -> None:
    stored = noise(20, 24)
    write_dicom(tmp_path / "lossless.dcm", stored)
    dataset = pydicom.dcmread(tmp_path / "lossless.dcm")
    dataset.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8" + bytes(30)])
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.80"  # JPEG-LS
    dataset.save_as(tmp_path / "lossless.dcm")
    whole = write_dicom(tmp_path / "cut.dcm", stored).read_bytes()
    (tmp_path / "cut.dcm").write_bytes(whole[:-300])
    (tmp_path / "header.dcm").write_bytes(whole[:200])
    (tmp_path / "text.dcm").write_bytes(b"no scan" * 100)
    (tmp_path / "empty.dcm").write_bytes(b"")
    write_dicom(tmp_path / "palette.dcm", stored, PhotometricInterpretation="PALETTE COLOR")
    write_dicom(tmp_path / "enhanced.dcm", stored, SharedFunctionalGroupsSequence=[pydicom.Dataset()])
    names = sorted(path.name for path in tmp_path.glob("*.dcm"))
    outcome = go(create_translator(-1000, 1000), tmp_path, out=tmp_path / "out")
    assert outcome.done == 0 and sorted(path.name for path, _ in outcome.failed) == names
    reasons = {path.name: reason for path, reason in outcome.failed}
    assert "JPEG-LS" in reasons["lossless.dcm"] and "pip install" in reasons["lossless.dcm"]
    assert "PALETTE" in reasons["palette.dcm"] and "enhanced" in reasons["enhanced.dcm"]
    for name in names:
        with pytest.raises(UnreadableFileError, match=name):
            read_image(tmp_path / name)


def test_the_missing_package_is_named_with_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ct", "mr"):
        write_dicom(tmp_path / name / "a.dcm", noise(20, 24))
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(UsageError, match=r"pip install 'unpaired\[medical\]'"):
        read_image(tmp_path / "ct" / "a.dcm")
    assert main(["check", str(tmp_path)]) == 2


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Return a folder with two domains of five series of three slices."""
    for k, name in enumerate(("ct", "mr")):
        for i in range(15):
            path = tmp_path / "data" / name / f"series{i // 3}" / f"{i % 3}.dcm"
            write_dicom(path, noise(20, 18, seed=100 * k + i), RescaleIntercept=0, RescaleSlope=1)
    return tmp_path / "data"


def test_a_series_belongs_to_one_split(scans: Path) -> None:
    files = list_items(discover([scans])[0], ImageSettings())
    assert len(files.train) == 15 and count_series(files.train) == 5
    splits = split_files(files, 0.1, 0, (), get_group)
    parts = [{get_group(name) for name in paths} for paths in (splits.train, splits.validation, splits.test)]
    assert [len(part) for part in parts] == [3, 1, 1] and len(set.union(*parts)) == 5


def test_train_with_a_window_and_translate(scans: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(scans), "--size", "16"]) == 0
    assert "5 folders" in capsys.readouterr().out
    messages: list[str] = []
    run = train(scans, out=tmp_path / "run", log=messages.append, steps=1, value_range=(-160, 240), **TINY)
    assert any("-160 to 240" in message and "--value-range" in message for message in messages)
    assert any("9 train, 3 validation, 3 test" in message for message in messages)
    out = tmp_path / "out"
    assert main(["translate", str(run), str(scans / "ct"), "--to", "mr", "--out", str(out)]) == 0
    values = [get_values(path) for path in out.rglob("*.dcm")]
    assert len(values) == 15 and min(v.min() for v in values) >= -160 and max(v.max() for v in values) <= 240
