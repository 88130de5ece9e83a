"""Methods and media of other packages: entry points, their faults, and the example of docs/extending.md."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

import unpaired
from unpaired.diagnosis import Diagnosis, add_plugins
from unpaired.errors import UnpairedWarning, UsageError, WorkError
from unpaired.methods import METHODS
from unpaired.methods.gan import GAN
from unpaired.plugins import PluginTable

GUIDE = Path(__file__).parent.parent / "docs" / "extending.md"


@dataclass(frozen=True)
class Color:
    """An entry of the tests' table."""

    name: str


def install(folder: Path, package: str, code: str, entry_points: str) -> None:
    """Write a package of one module and its metadata, as `pip install --target` does."""
    (folder / f"{package}.py").write_text(code, encoding="utf-8")
    metadata = folder / f"{package}-1.2.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\n", encoding="utf-8")
    (metadata / "entry_points.txt").write_text(entry_points, encoding="utf-8")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed packages, whose modules can import this one as `tests_of_plugins`."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setitem(sys.modules, "tests_of_plugins", sys.modules[__name__])
    yield folder
    for module in [name for name in sys.modules if name.startswith("plugin_")]:
        del sys.modules[module]


def make_table() -> PluginTable[Color]:
    return PluginTable("test.colors", Color, [Color("red"), Color("blue")])


def test_entries_of_packages_follow_those_of_the_table(site: Path) -> None:
    code = "from tests_of_plugins import Color\nGREEN, AMBER = Color('green'), Color('amber')\n"
    install(site, "plugin_colors", code, "[test.colors]\ngreen = plugin_colors:GREEN\namber = plugin_colors:AMBER\n")
    table = make_table()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert list(table) == ["red", "blue", "amber", "green"]
    assert [(plugin.name, plugin.package, plugin.problem) for plugin in table.plugins] == [
        ("amber", "plugin_colors 1.2", ""),
        ("green", "plugin_colors 1.2", ""),
    ]
    assert len(table) == 4 and table["green"] == Color("green")


@pytest.mark.parametrize(
    ("code", "name", "facts"),
    [
        ("import no_such_package", "green", ("plugin_bad:X", "no_such_package")),
        ("raise SystemError('broken')", "green", ("plugin_bad:X", "broken")),
        ("Y = 1", "green", ("plugin_bad:X",)),
        ("X = 3", "green", ("Color", "int")),
        ("from tests_of_plugins import Color\nX = Color('red')", "red", ("'red' is taken",)),
        ("from tests_of_plugins import Color\nX = Color('grey')", "green", ("'green'", "'grey'")),
    ],
)
def test_a_package_that_fails_is_left_out_with_a_warning(
    site: Path, code: str, name: str, facts: tuple[str, ...]
) -> None:
    install(site, "plugin_bad", code, f"[test.colors]\n{name} = plugin_bad:X\n")
    table = make_table()
    with pytest.warns(UnpairedWarning) as warned:
        assert set(table) == {"red", "blue"}
    text = str(warned[0].message)
    assert len(warned) == 1
    for fact in ("test.colors", f"'{name}'", "plugin_bad 1.2", *facts):
        assert fact in text
    assert table["red"] == Color("red")
    assert [plugin.name for plugin in table.plugins if plugin.problem] == [name]


def test_a_package_may_read_the_table_while_it_is_imported(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = make_table()
    monkeypatch.setattr(sys.modules[__name__], "TABLE", table, raising=False)
    code = "from tests_of_plugins import TABLE, Color\nX = Color('-'.join(TABLE))\n"
    install(site, "plugin_reader", code, "[test.colors]\nred-blue = plugin_reader:X\n")
    assert list(table) == ["red", "blue", "red-blue"]


def test_a_method_is_registered_for_this_process() -> None:
    info = unpaired.MethodInfo("outside", GAN, 2026, "Nobody", "2", "direct", "none")
    try:
        unpaired.register_method(info)
        assert METHODS["outside"] is info
        with pytest.raises(UsageError, match="'outside' is taken"):
            unpaired.register_method(info)
    finally:
        del METHODS["outside"]
    with pytest.raises(TypeError, match="subclass of"):
        unpaired.MethodInfo("outside", Color, 2026, "Nobody", "2", "direct", "none")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="MethodInfo"):
        unpaired.register_method(GAN)  # type: ignore[arg-type] # a user's mistake


def test_diagnosis_names_packages_and_their_faults(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(
        site,
        "plugin_good",
        "from tests_of_plugins import Color\nX = Color('green')",
        "[test.colors]\ngreen = plugin_good:X",
    )
    install(site, "plugin_bad", "raise ValueError('no')", "[test.colors]\ngrey = plugin_bad:X")
    monkeypatch.setattr("unpaired.diagnosis.METHODS", make_table())
    report = Diagnosis()
    add_plugins(report)
    assert any("'green' of plugin_good 1.2" in line for line in report.lines)
    assert len(report.problems) == 1 and "'grey' of plugin_bad 1.2" in report.problems[0]


def test_the_guides_package_trains_and_translates(tmp_path: Path) -> None:
    text = GUIDE.read_text(encoding="utf-8")
    (code,) = [block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "INFO = MethodInfo(" in block]
    (project,) = [tomllib.loads(block) for block in re.findall(r"```toml\n(.*?)```", text, re.DOTALL)]
    points = project["project"]["entry-points"]["unpaired.methods"]
    site = tmp_path / "site"
    site.mkdir()
    install(site, "my_gan", code, "[unpaired.methods]\n" + "".join(f"{a} = {b}\n" for a, b in points.items()))
    for domain, shade in (("dark", 40), ("light", 200)):
        (tmp_path / domain).mkdir()
        for i in range(6):
            Image.new("RGB", (16, 16), (shade + i, shade, shade)).save(tmp_path / domain / f"{i}.png")
    run = str(tmp_path / "run")
    train = ["train", "dark", "light", "--method", "my-gan", "--cycle-weight", "3", "--preset", "tiny", "--size", "16"]
    train += ["--width", "4", "--steps", "2", "--batch-size", "2", "--threads", "1", "--out", run]
    commands = [["methods"], train, ["translate", run, "dark/0.png", "--to", "light", "--out", "out"]]
    script = "from my_gan import INFO\nfrom unpaired.testing import check_method\ncheck_method(INFO)\n"
    script += f"from unpaired.cli.main import main\nfor argv in {commands!r}: assert main(argv) == 0, argv"
    paths = os.pathsep.join([str(site), str(Path(unpaired.__file__).parent.parent)])
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": paths},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^my-gan .*arXiv:2001.00001", done.stdout, re.MULTILINE)
    config = (tmp_path / "run" / "config.yaml").read_text(encoding="utf-8")
    assert "method: my-gan" in config and "cycle_weight: 3.0" in config
    assert (tmp_path / "out" / "0.png").is_file()

    with pytest.raises(WorkError, match=r"'my-gan'.*install the package"):
        unpaired.Translator.load(tmp_path / "run")  # this process does not have the package
