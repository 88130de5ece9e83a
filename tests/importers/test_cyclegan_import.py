from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import TINY
from PIL import Image
from reference_generator import Reference, randomize
from safetensors.torch import load_file
from torch import Tensor, nn

from unpaired import Translator, evaluate, resume, train
from unpaired.cli.main import main
from unpaired.config.run_config import read_config
from unpaired.errors import UsageError, WorkError
from unpaired.importers.cyclegan import import_generator
from unpaired.media.image.settings import image_statistics
from unpaired.report.page import write_report
from unpaired.runs.folder import load_model
from unpaired.runs.method_builder import build_method

DATA = Path(__file__).parents[1] / "data_files"


def saved(state: Any, folder: Path, name: str = "latest_net_G.pth") -> Path:
    torch.save(state, folder / name)
    return folder / name


def imported(state: Any, folder: Path, **more: Any) -> Translator:
    import_generator(saved(state, folder), folder / "run", **{"size": 32, **more})
    return Translator.load(folder / "run", device="cpu")


def picture(channels: int = 3) -> Tensor:
    return torch.rand(2, channels, 32, 40, generator=torch.Generator().manual_seed(5)) * 2 - 1


LAYOUTS: dict[str, dict[str, Any]] = {
    "cyclegan": {},
    "cyclegan, 9 blocks": {"blocks": 9, "ngf": 2},
    "instance norm of old torch": {"tracked": True},
    "the same without biases": {"tracked": True, "bias": False},
    "zero padding": {"old": True},
    "zero padding and dropout": {"old": True, "dropout": True, "norm": "batch"},
    "dropout": {"dropout": True},
    "batch norm": {"norm": "batch"},
    "batch norm with dropout": {"norm": "batch", "dropout": True},
    "batch norm and biases": {"norm": "batch", "bias": True},
    "instance norm with weights": {"norm": "affine"},
    "no norm": {"norm": "none"},
    "cut": {"down": True, "up": True},
    "cut with batch norm": {"down": True, "up": True, "norm": "batch"},
    "antialiased where it halves": {"down": True},
    "antialiased where it doubles": {"up": True, "dropout": True},
    "gray": {"inputs": 1, "outputs": 1},
}


@pytest.mark.parametrize("prefix", ["", "module.", "module._orig_mod."])
@pytest.mark.parametrize("name", LAYOUTS)
def test_output_equals_the_reference_generator(name: str, prefix: str, tmp_path: Path) -> None:
    net = randomize(Reference(**LAYOUTS[name]))
    translator = imported(net.saved(prefix), tmp_path)
    x = picture(LAYOUTS[name].get("inputs", 3))
    with torch.no_grad():
        expected = net(x)
    assert expected.std() > 0.1
    torch.testing.assert_close(translator(x, scale="native"), expected, rtol=0, atol=1e-5)


def test_output_equals_recorded_values_of_the_authors_code(tmp_path: Path) -> None:
    trace = load_file(DATA / "cyclegan_trace.safetensors")
    state = OrderedDict((k.removeprefix("init.G_A."), t) for k, t in trace.items() if k.startswith("init.G_A."))
    translator = imported(state, tmp_path, size=64, source="horse", target="zebra")
    assert translator.routes == (("horse", "zebra"),)
    fake = translator(trace["real_A"], to="zebra")
    torch.testing.assert_close(fake, trace["step0.fake_B"], rtol=0, atol=1e-5)


@pytest.mark.parametrize(("inputs", "outputs"), [(1, 3), (3, 1)])
def test_generator_with_one_gray_side_is_run_with_three_channels(inputs: int, outputs: int, tmp_path: Path) -> None:
    net = randomize(Reference(inputs=inputs, outputs=outputs))
    translator = imported(net.saved(), tmp_path)
    assert [image_statistics(d).color for d in translator.config.domains] == [inputs == 3, outputs == 3]
    x = picture()
    luma = (x * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
    with torch.no_grad():
        expected = net(luma if inputs == 1 else x).expand(-1, 3, -1, -1)
    torch.testing.assert_close(translator(x, scale="native"), expected, rtol=0, atol=1e-5)


def test_half_precision_files_are_read(tmp_path: Path) -> None:
    state = {name: tensor.half() for name, tensor in randomize(Reference()).saved().items()}
    role = imported(state, tmp_path).method.get_submodule("G")
    assert all(p.dtype == torch.float32 for p in role.parameters())


def unet() -> dict[str, Tensor]:
    return {"model.model.0.weight": torch.zeros(4, 3, 4, 4), "model.model.1.model.1.weight": torch.zeros(8, 4, 4, 4)}


def without(name: str) -> dict[str, Tensor]:
    return {key: tensor for key, tensor in Reference().saved().items() if key != name}


def changed(name: str, tensor: Tensor, **form: Any) -> dict[str, Tensor]:
    return {**Reference(**form).saved(), name: tensor}


REFUSED: dict[str, tuple[Any, str]] = {
    "U-Net": (unet(), "U-Net generator"),
    "discriminator": ({"model.0.weight": torch.zeros(4, 3, 4, 4), "model.0.bias": torch.zeros(4)}, r"\(netD\)"),
    "pixel discriminator": ({"net.0.weight": torch.zeros(4, 3, 1, 1)}, r"\(netD\)"),
    "CUT's feature network": ({"mlp_0.0.weight": torch.zeros(4, 3)}, "feature network of CUT"),
    "optimizer": (torch.optim.Adam(nn.Linear(2, 2).parameters()).state_dict(), "an optimizer's state"),
    "whole checkpoint": ({"epoch": 3, "model": {}}, "a dictionary of epoch, model"),
    "tensor": (torch.zeros(3), "contains a Tensor"),
    "another network": ({"conv1.weight": torch.zeros(4, 3, 7, 7)}, "first tensor: conv1.weight"),
    "nothing": ({}, "first tensor: nothing"),
    "integers": ({"model.1.weight": torch.zeros(4, 3, 7, 7, dtype=torch.int64)}, "has type torch.int64"),
    "a layer short": (without("model.10.conv_block.5.weight"), "it lacks model.10.conv_block.5.weight"),
    "a layer more": (changed("model.40.weight", torch.zeros(2)), r"also has model.40.weight \(2,\)"),
    "another shape": (changed("model.4.weight", torch.zeros(8, 4, 5, 5)), r"shape \(8, 4, 5, 5\)"),
    "four channels": (Reference(inputs=4).saved(), "4 input channels"),
    "two channels out": (Reference(outputs=2).saved(), "2 output channels"),
    "another blur": (changed("model.7.filt", torch.ones(8, 1, 3, 3) / 9, down=True), "blur model.7.filt is not CUT's"),
    "lost": (changed("model.1.bias", torch.full((4,), torch.nan)), "model.1.bias has values that are not finite"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_files_raise_work_error_with_a_description(name: str, tmp_path: Path) -> None:
    content, words = REFUSED[name]
    with pytest.raises(WorkError, match=words) as error:
        imported(content, tmp_path)
    assert str(error.value).startswith(str(tmp_path / "latest_net_G.pth"))
    assert not (tmp_path / "run").exists()


class Planted:
    """Object that runs a command when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        import os

        return os.system, (f"touch {self.mark}",)


def test_pickled_code_is_rejected_and_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    with pytest.raises(WorkError, match=r"a pickle of more than weights \((posix|nt)\.system\), which could run code"):
        imported({"model.1.weight": Planted(mark)}, tmp_path)
    assert not mark.exists()
    with pytest.raises(WorkError, match="a pickle of more than weights"):
        imported(Reference(), tmp_path)


def test_image_file_is_named_in_the_error(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    Image.new("RGB", (8, 8)).save(path)
    with pytest.raises(WorkError, match=r"picture.png: not a file of torch.save but a PNG picture; expected"):
        import_generator(path, tmp_path / "run")


@pytest.mark.parametrize("content", [b"", b"no pickle at all", b"PK\x03\x04 cut off"])
def test_files_not_written_by_torch_save_raise_work_error(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "G.pth"
    path.write_bytes(content)
    with pytest.raises(WorkError, match=r"G.pth: not a file of torch.save"):
        import_generator(path, tmp_path / "run")


def test_invalid_arguments_raise_usage_error(tmp_path: Path) -> None:
    file = saved(Reference().saved(), tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(UsageError, match="no such file"):
        import_generator(tmp_path / "none.pth", tmp_path / "run")
    with pytest.raises(UsageError, match="exists and is not empty"):
        import_generator(file, tmp_path / "full")
    with pytest.raises(UsageError, match="expected two different names"):
        import_generator(file, tmp_path / "run", "A", "A")
    with pytest.raises(UsageError, match="without ','"):
        import_generator(file, tmp_path / "run", "a,b", "c")
    with pytest.raises(UsageError, match="from 32 to 4096"):
        import_generator(file, tmp_path / "run", size=8)
    with pytest.raises(UsageError, match="multiple of 4"):
        import_generator(file, tmp_path / "run", size=66)
    assert not (tmp_path / "run").exists()


def test_imported_run_cannot_be_resumed_and_needs_data_to_evaluate(
    tmp_path: Path, discs: Path, without_features: None, capsys: pytest.CaptureFixture[str]
) -> None:
    file, run = saved(randomize(Reference()).saved(), tmp_path), tmp_path / "run"
    assert main(["import", str(file), "--out", str(run), "--from", "red", "--to", "blue", "--size", "32"]) == 0
    assert "ResNet of 2 blocks, ngf 4, 3 to 3 channels, instance norm, for 32 px" in capsys.readouterr().out
    assert load_model(run).step == 0
    with pytest.raises(UsageError, match=r"unpaired evaluate .*red/ blue/"):
        evaluate(run)
    with pytest.raises(UsageError, match=r"imported from .*latest_net_G.pth.* cannot be resumed"):
        resume(run)
    assert "was not trained here" in write_report(run).read_text("utf-8")
    assert main(["evaluate", str(run), str(discs), "--device", "cpu"]) == 0
    page = (run / "report.html").read_text("utf-8")
    assert "red -&gt; blue" in page or "red → blue" in page
    assert "--resume" not in page
    out = tmp_path / "out"
    assert main(["translate", str(run), str(discs / "red"), "--out", str(out), "--device", "cpu"]) == 0
    assert len(list(out.rglob("*.png"))) == 12


def test_imported_generator_can_be_a_teacher(tmp_path: Path, discs: Path, without_features: None) -> None:
    net, run = randomize(Reference()), tmp_path / "run"
    import_generator(saved(net.saved(), tmp_path), run, "blue", "red", 32)
    settings = {**TINY, "size": 32, "method": "gan", "depth": 2, "steps": 1, "sample_every": 0, "evaluate_every": 0}
    deep = train(discs, out=tmp_path / "deep", teacher=run, log=lambda _: None, **settings)
    g, x = build_method(read_config(deep / "config.yaml")).get_submodule("g"), picture()
    with torch.no_grad():
        torch.testing.assert_close(g(x), net(x), rtol=0, atol=1e-5)


def test_a_failed_write_leaves_no_run_and_can_be_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise WorkError("the disk is full")

    file = saved(randomize(Reference()).saved(), tmp_path)
    with monkeypatch.context() as patched, pytest.raises(WorkError, match="full"):
        patched.setattr("unpaired.importers.cyclegan.save_model", fail)
        import_generator(file, tmp_path / "run", size=32)
    assert not any((tmp_path / "run").iterdir())
    import_generator(file, tmp_path / "run", size=32)
    assert read_config(tmp_path / "run" / "config.yaml").imported_from
