"""Translations that are marked as synthetic in their metadata, and previews for browsers."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile
from PIL import Image
from tiny_runs import make_run

from unpaired import Translator
from unpaired.cli.main import main
from unpaired.media import MEDIA
from unpaired.media.image.carried_metadata import SYNTHETIC_XMP, CarriedMetadata
from unpaired.media.image.image_io import write_array
from unpaired.translate import translate_files

SOURCE_TYPE = b"http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"


def find_xmp(image: Image.Image) -> bytes | None:
    """Return the XMP packet where Pillow finds it; None if there is none."""
    found = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    return found.encode() if isinstance(found, str) else found


@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.webp", "x.tif"])
@pytest.mark.parametrize("tag", [False, True])
def test_outputs_are_marked_on_request(tmp_path: Path, name: str, tag: bool) -> None:
    run = make_run(tmp_path / "run")
    Image.new("RGB", (20, 18), "red").save(tmp_path / name)
    flags = ["--tag"] if tag else []
    out = tmp_path / "out"
    assert main(["translate", str(run), str(tmp_path / name), "--to", "paintings", "--out", str(out), *flags]) == 0
    assert (SOURCE_TYPE in (out / name).read_bytes()) is tag
    with Image.open(out / name) as image:
        assert image.size == (20, 18)
        xmp = find_xmp(image)
    assert (xmp is not None) is tag
    if xmp is not None:
        (description,) = ElementTree.fromstring(xmp).iter(f"{{{RDF}}}Description")
        assert description.get(f"{{{IPTC}}}DigitalSourceType") == SOURCE_TYPE.decode()


def test_the_tag_does_not_change_pixels_and_makes_outputs_out_of_date(tmp_path: Path) -> None:
    translator = Translator.load(make_run(tmp_path / "run"), device="cpu")
    Image.effect_noise((20, 18), 60).convert("RGB").save(tmp_path / "x.png")
    pixels = []
    for tag in (False, True):
        request = translator.resolve_request("paintings", options={"tag": tag})
        outcome = translate_files(translator, [tmp_path / "x.png"], tmp_path / "out", request)
        assert outcome.done == 1
        pixels.append(np.asarray(Image.open(tmp_path / "out" / "x.png")))
    np.testing.assert_array_equal(pixels[0], pixels[1])


def test_16_bit_files_are_marked(tmp_path: Path) -> None:
    metadata = CarriedMetadata().mark_synthetic()
    gray = np.zeros((4, 5, 1), np.uint16)
    write_array(tmp_path / "x.tif", gray, False, metadata)
    with tifffile.TiffFile(tmp_path / "x.tif") as file:
        assert file.pages[0].tags[700].value == SYNTHETIC_XMP  # type: ignore[union-attr]
    write_array(tmp_path / "x.png", gray, False, metadata)
    assert SOURCE_TYPE in (tmp_path / "x.png").read_bytes()
    pytest.importorskip("imagecodecs")
    write_array(tmp_path / "color.png", np.full((4, 5, 3), 300, np.uint16), False, metadata)
    with Image.open(tmp_path / "color.png") as image:
        assert find_xmp(image) == SYNTHETIC_XMP


def test_previews_are_small_pictures_of_8_bits(tmp_path: Path) -> None:
    medium = MEDIA["image"]
    (tmp_path / "out").mkdir()
    scan = np.linspace(1000, 3000, 40 * 30).reshape(40, 30).astype(np.uint16)
    tifffile.imwrite(tmp_path / "scan.tif", scan)
    with Image.open(medium.write_preview(tmp_path / "scan.tif", tmp_path / "out").path) as preview:
        assert (preview.format, preview.mode, preview.size) == ("PNG", "RGB", (30, 40))
        assert preview.getextrema()[0] == (0, 255)
    Image.new("RGBA", (3000, 1500), (255, 0, 0, 0)).save(tmp_path / "large.png")
    with Image.open(medium.write_preview(tmp_path / "large.png", tmp_path / "out").path) as preview:
        assert preview.size == (1024, 512)
        assert preview.getpixel((0, 0)) == (255, 255, 255), "transparent pixels are white"
