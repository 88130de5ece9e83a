from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_runs import Known, config, domain, make_run

from unpaired import translate
from unpaired.errors import UnreadableFileError, UsageError, WorkError
from unpaired.media.image import tiled_pass as module
from unpaired.translate import Translator, torch_network

SIXTEEN = (domain("t1", False, 16, 100, 4100), domain("t2", False, 16, 0, 2000))


def noise(*shape: int, high: int = 256, kind: str = "uint8") -> np.ndarray:
    return np.random.default_rng(0).integers(0, high, shape).astype(kind)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "run")


def test_load_and_kinds(run: Path, tmp_path: Path) -> None:
    translator = Translator.load(run, device="cpu")
    assert translator.domains == ("photos", "paintings")
    assert translator.routes == (("photos", "paintings"), ("paintings", "photos"))
    array = noise(37, 53, 3)
    Image.fromarray(array).save(tmp_path / "a.png")
    how = {"to": "paintings", "scale": "native"}
    from_array = translator(array, to="paintings", scale="native")
    assert isinstance(from_array, np.ndarray) and from_array.shape == array.shape and from_array.dtype == np.uint8
    assert not np.array_equal(from_array, array)
    from_image = translator(Image.fromarray(array), **how)
    from_path = translator(tmp_path / "a.png", to="paintings", scale="native")
    assert isinstance(from_image, Image.Image) and np.array_equal(np.asarray(from_image), from_array)
    assert isinstance(from_path, Image.Image) and np.array_equal(np.asarray(from_path), from_array)
    tensor = torch.from_numpy(array).permute(2, 0, 1).float() / 127.5 - 1
    from_tensor = translator(tensor, to="paintings", scale="native")
    assert from_tensor.shape == tensor.shape and from_tensor.dtype == torch.float32
    back = ((from_tensor + 1) * 127.5).round().permute(1, 2, 0).numpy()
    assert np.array_equal(back, from_array)
    batch = translator(torch.stack([tensor, tensor]), to="paintings", scale="native")
    assert batch.shape == (2, *tensor.shape) and torch.allclose(batch[1], from_tensor, atol=1e-5)


def test_equals_the_method_itself(run: Path) -> None:
    translator = Translator.load(run, device="cpu")
    x = torch.rand(2, 3, 16, 16) * 2 - 1
    assert torch.equal(translator(x, to="photos"), translator.method.translate(x, "Y", "X"))


@pytest.mark.parametrize("size", [(37, 53), (1, 40), (40, 1), (1, 1), (2, 3), (16, 16), (200, 7)])
@pytest.mark.parametrize("scale", ["trained", "native"])
@pytest.mark.filterwarnings("ignore:the networks see")
def test_any_size(run: Path, size: tuple[int, int], scale: str) -> None:
    for method in ("cyclegan", "unit", "gan"):
        settings = config(method=method)
        translator = Translator.load(make_run(run.parent / method, settings), device="cpu")
        array = noise(*size, 3)
        out = translator(array, to="paintings", scale=scale)
        assert out.shape == array.shape


def test_padding_leaves_pixels_in_place() -> None:
    translator = Translator(config(resize_mode="crop"), Known(), "cpu")
    array = noise(37, 53, 3)
    assert np.array_equal(translator(array, to="paintings"), array)
    assert translator.method.seen == [(1, 3, 40, 56)]


def test_resize_mode_of_training_is_used() -> None:
    scaled, cropped = Known(), Known()
    array = noise(24, 30, 3)
    Translator(config(resize_mode="scale"), scaled, "cpu")(array, to="paintings")
    Translator(config(resize_mode="crop"), cropped, "cpu")(array, to="paintings")
    assert scaled.seen == [(1, 3, 16, 20)] and cropped.seen == [(1, 3, 24, 32)]
    Translator(config(resize_mode="scale"), scaled, "cpu")(array, to="paintings", scale="native")
    assert scaled.seen[1] == (1, 3, 24, 32)


def test_enlarging_warns() -> None:
    translator = Translator(config(), Known(), "cpu")
    with pytest.warns(UserWarning, match="--scale native"):
        translator(noise(40, 40, 3), to="paintings")
    translator(noise(32, 32, 3), to="paintings")  # twofold: no warning (warnings are errors here)


def test_large_pictures_go_in_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SMALL_PIXELS", 0)
    monkeypatch.setattr(module, "read_device_bytes", lambda _: 1000)
    method = Known()
    array = noise(100, 70, 3)
    translator = Translator(config(resize_mode="crop"), method, "cpu")
    assert np.array_equal(translator(array, to="paintings"), array)  # no warning: the result is exact
    assert np.array_equal(translator(array, to="paintings", tile=32), array)
    assert np.array_equal(translator(array, to="paintings", tile="off"), array)


def test_networks_that_need_the_whole_picture_go_in_tiles_with_a_warning() -> None:
    class Sorted(Known):
        def translate(self, x: torch.Tensor, source: str, target: str) -> torch.Tensor:
            if type(x) is torch.Tensor:
                self.seen.append(tuple(x.shape))
            return x.flatten(2).sort().values.view(x.shape) * 0 + x

    method, array = Sorted(), noise(100, 72, 3)
    with pytest.warns(UserWarning, match=r"flatten|view|sort"):
        out = Translator(config(resize_mode="crop"), method, "cpu")(array, to="paintings", tile=32)
    assert np.array_equal(out, array)
    assert all(h * w <= 1024 for *_, h, w in method.seen)


def test_alpha_is_kept(tmp_path: Path) -> None:
    translator = Translator(config(resize_mode="crop"), Known(), "cpu")
    array = noise(20, 24, 4)
    array[..., 3] = 255
    array[:5, :, 3] = 0
    out = translator(array, to="paintings")
    assert np.array_equal(out[..., 3], array[..., 3]) and np.array_equal(out[5:], array[5:])
    array[..., 3] = 128  # networks receive the image over white; the result contains no white
    half = translator(array, to="paintings")
    assert np.abs(half.astype(int) - array).max() <= 1
    array[..., 3] = out[..., 3]
    image = translator(Image.fromarray(array), to="paintings")
    assert image.mode == "RGBA" and np.array_equal(np.asarray(image), out)


def test_color_is_the_targets_or_the_inputs(tmp_path: Path) -> None:
    both = config(domain("gray", False), domain("colored"), resize_mode="crop")
    translator = Translator(both, Known(), "cpu")
    gray, color = Image.fromarray(noise(16, 16)), Image.fromarray(noise(16, 16, 3))
    assert translator(gray, to="colored").mode == "RGB"
    assert translator(gray, to="colored", mode="input").mode == "L"
    assert translator(color, to="gray").mode == "L"
    assert translator(color, to="gray", mode="input").mode == "RGB"
    palette = color.convert("P", palette=Image.Palette.ADAPTIVE)
    for mode in ("target", "input"):
        out = translator(palette, to="colored", mode=mode)
        assert out.mode == "RGB" and np.array_equal(np.asarray(out), np.asarray(palette.convert("RGB")))
    clear = Image.fromarray(noise(16, 16, 2))
    assert clear.mode == "LA" and translator(clear, to="gray").mode == "LA"
    assert translator(clear, to="colored").mode == "RGBA"
    assert translator(gray.convert("1"), to="gray").mode == "L"
    assert translator(noise(16, 16), to="colored").shape == (16, 16, 3)
    assert translator(noise(16, 16), to="gray").shape == (16, 16)
    assert translator(noise(16, 16, 1), to="gray").shape == (16, 16, 1)
    one = Translator(config(resize_mode="crop", channels=1), Known(), "cpu")
    assert one(color, to="paintings").mode == "L"


def test_sixteen_bits_survive() -> None:
    translator = Translator(config(*SIXTEEN, resize_mode="crop", channels=1), Known(), "cpu")
    array = noise(37, 53, high=4000, kind="uint16") + np.uint16(101)
    out = translator(array, to="t2")
    assert out.dtype == np.uint16
    assert np.abs(out - (array.astype(float) - 100) / 2).max() <= 0.51  # 100..4100 to 0..2000
    image = translator(Image.fromarray(array), to="t2")
    assert image.mode == "I;16" and np.array_equal(np.asarray(image), out)
    same = translator(array, to="t2", source_range=(0, 65535), target_range=(0, 65535))
    assert np.abs(same.astype(int) - array).max() <= 1
    wide = noise(37, 53, high=65536, kind="uint16")
    eight = Translator(config(domain("a", False), domain("b", False), resize_mode="crop"), Known(), "cpu")
    assert np.abs(eight(wide, to="b").astype(int) - wide).max() <= 1


def test_other_bits_use_their_own_range() -> None:
    translator = Translator(config(*SIXTEEN, resize_mode="crop", channels=1), Known(), "cpu")
    assert np.array_equal(translator(noise(16, 16), to="t2"), noise(16, 16))
    real = np.random.default_rng(0).random((16, 16)).astype(np.float32)
    assert np.allclose(translator(real, to="t2"), real, atol=1e-6)
    assert translator(real.astype(np.float64), to="t2").dtype == np.float64
    with pytest.raises(UsageError, match=r"values go from .* 16-bit .*--source-range"):
        translator(real * 1000, to="t2")
    shifted = translator(real * 1000, to="t2", source_range=(0, 1000))
    assert np.allclose(shifted, real, atol=1e-6)
    own = config(domain("ct", False, 32, -1000, 1000), domain("mr", False, 32, 0, 1), resize_mode="crop", channels=1)
    hounsfield = real * 2000 - 1000
    assert np.allclose(Translator(own, Known(), "cpu")(hounsfield, to="mr"), real, atol=1e-6)


def test_more_bits_are_computed_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def note(device: torch.device) -> object:
        asked.append(device)
        return torch.no_grad()

    monkeypatch.setattr(torch_network, "_disable_tf32", note)
    translator = Translator(config(*SIXTEEN, resize_mode="crop", channels=1), Known(), "cpu")
    translator(noise(16, 16), to="t2")
    assert not asked
    translator(noise(16, 16, kind="uint16"), to="t2")
    assert len(asked) == 1


def test_exif_orientation(tmp_path: Path) -> None:
    translator = Translator(config(resize_mode="crop"), Known(), "cpu")
    array = noise(16, 32, 3)
    image = Image.fromarray(array)
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.png", exif=exif)
    out = translator(tmp_path / "turned.png", to="paintings")
    assert (
        isinstance(out, Image.Image) and out.size == (16, 32) and np.array_equal(np.asarray(out), np.rot90(array, -1))
    )
    opened = Image.open(tmp_path / "turned.png")
    assert np.array_equal(np.asarray(translator(opened, to="paintings")), np.asarray(out))


def test_jpegs_decoded_smaller_keep_their_size(tmp_path: Path) -> None:
    Image.fromarray(noise(33, 31, 3)).resize((310, 330)).save(tmp_path / "a.jpg")
    translator = Translator(config(), Known(), "cpu")
    with pytest.warns(UserWarning, match="enlarged"):
        out = translator(tmp_path / "a.jpg", to="paintings")
    assert isinstance(out, Image.Image) and out.size == (310, 330)


def test_routes_and_names() -> None:
    two_way, one_way = Translator(config(), Known(), "cpu"), Translator(config(), Known(one_way=True), "cpu")
    x = torch.zeros(3, 16, 16)
    assert one_way(x).shape == x.shape and two_way(x, source="photos").shape == x.shape
    assert two_way.resolve_request("photos").source.name == "paintings"
    with pytest.raises(UsageError, match=r"photos to paintings, paintings to photos; .*--to"):
        two_way(x)
    with pytest.raises(UsageError, match=r"'painting': did you mean 'paintings'.*photos, paintings"):
        two_way(x, to="painting")
    with pytest.raises(UsageError, match=r"'xyz': (?!did).*photos, paintings"):
        two_way(x, to="xyz")
    with pytest.raises(UsageError, match="cannot translate to 'photos'; it translates photos to paintings"):
        one_way(x, to="photos")
    with pytest.raises(UsageError, match="from 'photos' to 'photos'"):
        two_way(x, to="photos", source="photos")


def test_wrong_inputs(run: Path, tmp_path: Path) -> None:
    translator = Translator(config(), Known(), "cpu")
    for wrong in (torch.zeros(16, 16), torch.zeros(1, 16, 16), torch.zeros(3, 16, 0), torch.zeros(3, 8, 8).int()):
        with pytest.raises(UsageError, match="expected floating point"):
            translator(wrong, to="photos")
    with pytest.raises(UsageError, match="from 0 to 255; expected -1 to 1"):
        translator(torch.tensor([0.0, 255.0]).repeat(3, 8, 8), to="photos")
    for array in (
        np.zeros((2, 2, 5), np.uint8),
        np.zeros(4, np.uint8),
        np.zeros((4, 4), np.int64),
        np.zeros((4, 4), bool),
    ):
        with pytest.raises(UsageError, match="an array of"):
            translator(array, to="photos")
    wrong_options: list[tuple[dict[str, Any], str]] = [
        ({"mode": "rgb"}, "'mode': given 'rgb'.*'target' or 'input'"),
        ({"scale": "big"}, "'scale': given 'big'"),
        ({"target_range": (1.0, 1.0)}, "'target_range'.*lower first"),
        ({"target_range": (0.0, float("inf"))}, "'target_range'.*finite"),
        ({"source_range": ("low", 1)}, "'source_range'"),
        ({"mod": "target"}, "'mod'"),
    ]
    for options, words in wrong_options:
        with pytest.raises(UsageError, match=words):
            translator(torch.zeros(3, 16, 16), to="photos", **options)
    for unsupported in (3, [tmp_path / "a.png"], None):
        with pytest.raises(UsageError, match=f"{type(unsupported).__name__};.* path"):
            translator(unsupported, to="photos")  # type: ignore[call-overload]
    with pytest.raises(UnreadableFileError):
        translator(tmp_path / "none.png", to="photos")
    with pytest.raises(UsageError, match="device 'warp'"):
        Translator(config(), Known(), "warp")
    with pytest.raises(UsageError, match="checkpoint 'first'"):
        Translator.load(run, "first")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no best checkpoint"):
        Translator.load(run, "best")
    with pytest.raises(UsageError, match="no such folder"):
        Translator.load(tmp_path / "none")


def test_little_memory_halves_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    method = Known()
    translate_all = method.translate

    def limited(x: torch.Tensor, source: str, target: str) -> torch.Tensor:
        if len(x) > limit:
            raise torch.OutOfMemoryError
        return translate_all(x, source, target)

    monkeypatch.setattr(method, "translate", limited)
    translator = Translator(config(), method, "cpu")
    x = torch.rand(5, 3, 16, 16)
    limit = 2
    assert torch.equal(translator(x, to="photos"), x)
    limit = 0
    with pytest.raises(WorkError, match="too little memory for 16 x 16"):
        translator(x, to="photos")


def test_public_names() -> None:
    assert set(translate.__all__) == {
        *("ExportedTranslator", "Outcome", "TranslationRequest", "Translator", "translate_files"),
    }


def test_range_beyond_the_bit_depth_raises_usage_error() -> None:
    translator = Translator(config(), Known(), "cpu")
    array = np.zeros((16, 16, 3), np.uint8)
    assert translator(array, to="paintings", target_range=(0, 200)).max() == 0
    with pytest.raises(UsageError, match="a picture of 8 bits holds 0 to 255"):
        translator(array, to="paintings", target_range=(0, 1000))


def test_image_without_finite_values_raises_usage_error() -> None:
    with pytest.raises(UsageError, match="without one finite value"):
        Translator(config(), Known(), "cpu")(np.full((16, 16, 3), np.nan, np.float32), to="paintings")


def test_amounts_need_a_label_conditioned_method() -> None:
    with pytest.raises(UsageError, match=r"photos=0.5.*cyclegan.*label-conditioned"):
        Translator(config(), Known(), "cpu").resolve_request("photos=0.5")
