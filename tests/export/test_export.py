from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import TINY
from PIL import Image
from tiny_runs import config, domain, make_run
from tiny_voices import voice_config

import unpaired
from unpaired.cli.main import main
from unpaired.config.run_config import RunConfig
from unpaired.errors import UsageError, WorkError
from unpaired.export import run as export_module
from unpaired.export import verification
from unpaired.export.items import load_items
from unpaired.export.run import Export, export_run
from unpaired.labels import LabelGroup, Labels, create_domain_labels
from unpaired.media import MEDIA
from unpaired.media.image import network_pass, pipeline
from unpaired.methods import METHODS
from unpaired.methods.capabilities import LabelConditionedMethod, SynthesisMethod
from unpaired.runs.folder import RunFolder
from unpaired.translate import ExportedTranslator, Translator
from unpaired.translate.loading import load_translator

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

WITHOUT_TORCH = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "lightning_fabric", "torchmetrics", "safetensors", "tensorboard"}:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)

sys.meta_path.insert(0, Blocker())
import unpaired
from unpaired.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
"""Program that runs a command where only the packages for exported files can be imported."""


def labelled_config(method: str = "stargan") -> RunConfig:
    values = config(method=method).model_dump() | {"labels": create_domain_labels(["photos", "paintings"])}
    return RunConfig.model_validate(values)


def picture(path: Path, height: int, width: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(height).integers(0, 256, (height, width, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="module")
def exported(run: Path) -> Export:
    return export_run(run, run.parent / "model.onnx", to="paintings", license="CC-BY-4.0")


def test_export_is_verified_and_described(run: Path, exported: Export) -> None:
    assert exported.verification is not None and exported.verification.max_difference < 1e-4
    loaded = onnx.load(exported.path)
    texts = {entry.key: entry.value for entry in loaded.metadata_props}
    assert texts["license"] == "CC-BY-4.0" and texts["routes"] == "photos -> paintings"
    assert "0 to 255" in texts["preprocessing"] and "16 px" in texts["preprocessing"]
    model = ExportedTranslator.load(exported.path).config
    assert model.routes == (("photos", "paintings"),) and model.stride == Translator.load(run).method.stride
    assert model.weights_digest and model.config_digest and not any(domain.sources for domain in model.domains)
    batch, channels, height, width = loaded.graph.input[0].type.tensor_type.shape.dim
    assert batch.dim_param and height.dim_param and width.dim_param and channels.dim_value == 3


@pytest.mark.filterwarnings("ignore:the networks see")
def test_exported_translator_equals_the_runs(run: Path, exported: Export) -> None:
    ours, theirs = load_translator(exported.path), Translator.load(run, device="cpu")
    for shape in ((37, 53, 3), (16, 16, 3), (5, 90, 4)):
        array = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
        for scale in ("trained", "native"):
            a, b = ours(array, scale=scale), theirs(array, to="paintings", scale=scale)
            assert a.shape == b.shape and np.abs(a.astype(int) - b).max() <= 1
    tensor = torch.rand(2, 3, 16, 24) * 2 - 1
    assert torch.allclose(ours(tensor), theirs(tensor, to="paintings"), atol=1e-4)


def test_large_pictures_are_translated_whole_or_refused(
    exported: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = picture(tmp_path / "a.png", 40, 60)
    translator = ExportedTranslator.load(exported.path)
    with pytest.raises(UsageError, match="--tile 32"):
        translator(source, tile=32)
    whole = np.asarray(translator(source, scale="native"))
    monkeypatch.setattr(pipeline, "LARGE_PIXELS", 0)
    monkeypatch.setattr(network_pass, "MAX_NETWORK_PIXELS", 1000)
    monkeypatch.setattr(network_pass, "read_available_bytes", lambda: 10**12)
    assert np.array_equal(translator(source, scale="native"), whole)
    for available, fact in ((10**6, "0.0 GB are free"), (None, "unknown")):
        monkeypatch.setattr(network_pass, "read_available_bytes", lambda available=available: available)
        with pytest.raises(WorkError, match=f"60 x 40 .*{fact}.*--tile off"):
            translator(source, scale="native")
        assert np.array_equal(translator(source, scale="native", tile="off"), whole)


def test_command_line_translates_without_torch(exported: Export, run: Path, tmp_path: Path) -> None:
    inputs = tmp_path / "in"
    picture(inputs / "a.png", 37, 53)
    picture(inputs / "sub" / "b.jpg", 20, 20)
    (inputs / "broken.png").write_bytes(b"no picture")

    def without_torch(*args: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", WITHOUT_TORCH, "translate", *map(str, args)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    done = without_torch(exported.path, inputs, "--to", "paintings", "--out", tmp_path / "onnx")
    assert done.returncode == 1 and "broken.png" in done.stderr and "Translated 2 files" in done.stdout
    assert main(["translate", str(run), str(inputs), "--to", "paintings", "--out", str(tmp_path / "torch")]) == 1
    for name in ("a.png", "sub/b.jpg"):
        ours, theirs = (np.asarray(Image.open(tmp_path / kind / name), int) for kind in ("onnx", "torch"))
        assert ours.shape == theirs.shape and np.abs(ours - theirs).mean() < 0.5
    refused = without_torch(run, inputs, "--to", "paintings", "--out", tmp_path / "out")
    assert refused.returncode == 1 and "torch" in refused.stderr and "Traceback" not in refused.stderr


def test_labels_are_inputs(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", labelled_config())
    made = export_run(run, tmp_path / "model.onnx")
    assert made.verification is not None and made.verification.max_difference < 1e-4
    assert [entry.name for entry in onnx.load(made.path).graph.input] == ["x", "label", "label_mask"]
    ours, theirs = load_translator(made.path), Translator.load(run, device="cpu")
    array = np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    for to in ("photos", "paintings", "paintings=0.5"):
        assert np.abs(ours(array, to=to).astype(int) - theirs(array, to=to)).max() <= 1
    with pytest.raises(UsageError, match="--to"):
        export_run(run, tmp_path / "other.onnx", to="photos")


def test_unrequested_labels_are_estimated_in_the_file(tmp_path: Path) -> None:
    labels = Labels(
        groups=(LabelGroup(values=("black", "blond")), LabelGroup(values=("glasses",))), dataset_groups=((0, 1),)
    )
    values = config(*map(domain, labels.domains), method="stargan").model_dump() | {"labels": labels}
    run = make_run(tmp_path / "run", RunConfig.model_validate(values))
    ours, theirs = load_translator(export_run(run, tmp_path / "model.onnx").path), Translator.load(run, device="cpu")
    array = np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    for to in ("blond", "no-glasses", "black,glasses"):
        assert np.abs(ours(array, to=to).astype(int) - theirs(array, to=to)).max() <= 1


@pytest.mark.parametrize("method", ["vaegan", "unit", "xgan", "dtn", "fader", "combogan"])
def test_other_architectures(method: str, tmp_path: Path) -> None:
    is_labelled = method == "fader"
    run = make_run(tmp_path / "run", labelled_config(method) if is_labelled else config(method=method))
    made = export_run(run, tmp_path / "model.onnx", to=None if is_labelled else "paintings")
    assert made.verification is not None and made.verification.max_difference < 1e-4


METHODS_BY_MEDIUM = [
    (medium.name, name)
    for medium in MEDIA.values()
    for name, method in METHODS.items()
    if medium.method_medium not in method.unsupported
]


@pytest.mark.filterwarnings("ignore:Initializing zero-element")  # of a method whose conditions need an encoder
@pytest.mark.parametrize(("medium", "method"), METHODS_BY_MEDIUM)
def test_every_method_is_exported_or_says_why_not(medium: str, method: str, tmp_path: Path) -> None:
    """TorchScript, which takes a tenth of the time of ONNX; the tests above export each kind of network as ONNX."""
    cls = METHODS[method].cls
    settings = (
        voice_config(method=method)
        if medium == "voice"
        else config(method=method).model_copy(update={"medium": medium})
    )
    target = settings.domains[-1].name
    is_labelled = issubclass(cls, LabelConditionedMethod)
    if is_labelled:
        labels = create_domain_labels([domain.name for domain in settings.domains])
        settings = RunConfig.model_validate(settings.model_dump() | {"labels": labels})
    if issubclass(cls, SynthesisMethod):
        settings = settings.model_copy(update={"domains": settings.domains[-1:]})
    run, out = make_run(tmp_path / "run", settings), tmp_path / "model.pt"
    if cls.export_refusal:
        with pytest.raises(UsageError, match=f"{method} {cls.export_refusal}"):
            export_run(run, out, output_format="torchscript", to=target)
        return
    made = export_run(run, out, output_format="torchscript", to=None if is_labelled else target)
    assert made.verification is not None and made.verification.max_difference < 1e-4


def test_wrong_export_writes_no_file(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "MAX_DIFFERENCE", -1.0)
    with pytest.raises(WorkError, match="wrong export"):
        export_run(run, tmp_path / "model.onnx", to="photos")
    assert not list(tmp_path.iterdir())


def test_int8_is_calibrated_and_measured(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items = np.random.default_rng(0).uniform(-1, 1, (8, 3, 16, 16)).astype(np.float32)
    monkeypatch.setattr(export_module, "load_items", lambda *_: list(items))
    made = export_run(run, tmp_path / "model.onnx", to="photos", int8=True)
    assert made.quantization is not None and 20 < made.quantization.psnr_db < 200 and made.speedup is not None
    operators = {node.op_type for node in onnx.load(made.path).graph.node}
    assert "QuantizeLinear" in operators and ExportedTranslator.load(made.path).config.precision == "int8"
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    monkeypatch.setattr(export_module, "load_items", lambda *_: [])
    with pytest.raises(UsageError, match="--int8"):
        export_run(run, tmp_path / "other.onnx", to="photos", int8=True)


def test_openvino_int8(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("nncf")
    items = np.random.default_rng(0).uniform(-1, 1, (4, 3, 16, 16)).astype(np.float32)
    monkeypatch.setattr(export_module, "load_items", lambda *_: list(items))
    made = export_run(run, tmp_path / "model.xml", output_format="openvino", to="photos", int8=True)
    assert made.quantization is not None and 20 < made.quantization.psnr_db < 200
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.bin", "model.xml"]
    assert ExportedTranslator.load(made.path).config.precision == "int8"


def test_openvino_sends_no_telemetry() -> None:
    code = (
        "from unpaired.packages import import_package\n"
        "import sys\n"
        "import_package('openvino', 'test', 'export-openvino')\n"
        "assert sys.modules['openvino_telemetry'] is None\n"
    )
    pytest.importorskip("openvino")
    subprocess.run([sys.executable, "-c", code], check=True)


def test_openvino(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    made = export_run(run, tmp_path / "model.xml", output_format="openvino", to="photos")
    assert made.verification is not None and made.verification.max_difference < 1e-4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.bin", "model.xml"]
    ours, theirs = load_translator(made.path), Translator.load(run, device="cpu")
    array = np.random.default_rng(0).integers(0, 256, (16, 20, 3)).astype(np.uint8)
    assert np.abs(ours(array, to="photos").astype(int) - theirs(array, to="photos")).max() <= 1
    digest = ours.weights_digest
    made.path.with_suffix(".bin").write_bytes(b"")
    assert ExportedTranslator(made.path, lambda feeds: feeds["x"], made.model).weights_digest != digest
    with pytest.raises(UsageError, match="cuda"):
        ExportedTranslator.load(made.path, "cuda")
    made.path.write_text("<damaged")
    with pytest.raises(WorkError, match=r"model\.xml"):
        ExportedTranslator.load(made.path)


def test_items_of_a_run(tmp_path: Path) -> None:
    for name in ("photos", "paintings"):
        for i in range(12):
            picture(tmp_path / "data" / name / f"{i}.png", 16, 16)
    folders = [tmp_path / "data" / name for name in ("photos", "paintings")]
    trained = unpaired.train(*folders, out=tmp_path / "run", steps=1, **TINY)
    items = load_items(RunFolder(tmp_path / "run"), "X", "train", 5)
    assert trained and len(items) == 5 and items[0].shape == (3, 16, 16) and np.abs(items[0]).max() <= 1
    shutil.rmtree(tmp_path / "data")
    assert load_items(RunFolder(tmp_path / "run"), "X", "train", 5) == []


def test_torchscript(run: Path, tmp_path: Path) -> None:
    made = export_run(run, tmp_path / "model.pt", output_format="torchscript", to="photos")
    assert made.verification is not None and made.verification.max_difference < 1e-4


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({}, "paintings"),
        ({"to": "dogs"}, "dogs"),
        ({"to": "photos", "output_format": "coreml"}, "coreml"),
        ({"to": "photos", "output_format": "torchscript", "int8": True}, "--int8"),
        ({"to": "photos", "output_format": "torchscript"}, ".pt"),
    ],
)
def test_wrong_requests(run: Path, tmp_path: Path, options: dict[str, object], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        export_run(run, tmp_path / "model.onnx", **options)  # type: ignore[arg-type]


def test_existing_files_and_missing_folders_are_refused(run: Path, exported: Export, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--overwrite"):
        export_run(run, exported.path, to="paintings")
    with pytest.raises(UsageError, match="does not exist"):
        export_run(run, tmp_path / "none" / "model.onnx", to="paintings")


def test_damaged_and_foreign_files(exported: Export, tmp_path: Path) -> None:
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(exported.path.read_bytes()[:1000])
    with pytest.raises(WorkError, match=r"cut\.onnx"):
        ExportedTranslator.load(cut)
    foreign = onnx.load(exported.path)
    del foreign.metadata_props[:]
    onnx.save(foreign, tmp_path / "foreign.onnx")
    with pytest.raises(UsageError, match="unpaired export"):
        ExportedTranslator.load(tmp_path / "foreign.onnx")
    with pytest.raises(UsageError, match=r"none\.onnx"):
        load_translator(tmp_path / "none.onnx")
    with pytest.raises(UsageError, match="--checkpoint"):
        load_translator(exported.path, "best")
    with pytest.raises(UsageError, match="warp"):
        ExportedTranslator.load(exported.path, "warp")
    with pytest.raises(UsageError, match=r"dogs.*paintings"):
        ExportedTranslator.load(exported.path).resolve_request("dogs")
