"""`unpaired train --auto-depth`: find the shallowest generator that is enough, then train a deep one that it teaches.

Galanti, Wolf, Benaim 2018, arXiv:1709.00074, Alg. 1. Differs: their discrepancy is the critic's; here it is KID on
held-back items, which is comparable from depth to depth, where critics trained with different generators are not. Where
no threshold is given, depth grows while that brings translations nearer to the target. Of each depth its last state
counts, and teaches: that of lowest KID may be one that has hardly begun.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from unpaired.devices import pick_device
from unpaired.errors import UnpairedError, UsageError, WorkError
from unpaired.evaluation.features import INSTALL
from unpaired.methods import METHODS
from unpaired.report.facts import finished
from unpaired.runs.folder import RunFolder, called, numbered, require_free
from unpaired.runs.history import History
from unpaired.runs.progress import saved_steps
from unpaired.stages.plan import DEEPER, DEPTHS, FILE, Plan, Trial, deepest, depths, enough, read_plan
from unpaired.terminal import Say, to_terminal
from unpaired.training.prepare import default_preset
from unpaired.training.resolve import Asked, Settings, read_settings, resolve
from unpaired.training.session import Interrupted
from unpaired.training.train import resume, train

DEEP = "deep"


def auto_depth(
    *data: Path | str,
    method: str | None = None,
    preset: str | None = None,
    out: Path | str | None = None,
    config: Path | None = None,
    pairs: bool = False,
    threshold: float | None = None,
    say: Say = to_terminal,
    **settings: Any,
) -> Path:
    """Train at growing depths until one is enough, then a deep generator with that one as teacher; returns its run.

    All runs are in the folder `out`, which `resume_depth` goes on with after a kill. `steps` or `minutes` are the whole
    budget: each depth gets an eighth, the deep run the rest. `depth` is the deep run's; left out, it is four layers
    deeper than the one found. `threshold` (KID x 1000) is when a depth is enough; None: when the next is no nearer.

    Raises UsageError and WorkError as `train` does, and where no KID can be measured; Interrupted after a signal.
    """
    asked = Asked(method, preset, settings, Path(config) if config else None)  # type: ignore[arg-type]
    resolved = resolve(asked, default_preset(pick_device("auto")))
    possible(resolved)
    given = asked_depth(asked, resolved.method) | settings
    sources = tuple(str(Path(source).absolute()) for source in data)
    folder = place(out, sources)
    plan = Plan(
        data=sources,
        method=resolved.method,
        preset=preset,
        config=None if config is None else str(Path(config).absolute()),
        pairs=pairs,
        threshold=threshold,
        steps=resolved.training.steps,
        minutes=resolved.training.minutes,
        settings={name: value for name, value in given.items() if name not in ("steps", "minutes")},
    )
    folder.mkdir(parents=True, exist_ok=True)
    plan.write(folder)
    try:
        return Search(folder, plan, say).run()
    except UnpairedError:
        if [path.name for path in folder.iterdir()] == [FILE]:  # nothing was trained: nothing is to be gone on with
            shutil.rmtree(folder)
        raise


def resume_depth(folder: Path, say: Say = to_terminal) -> Path:
    """Go on with a folder of `auto_depth` where it stands; a finished one is left as it is. Returns the deep run."""
    return Search(folder, read_plan(folder), say).run()


def is_search(folder: Path) -> bool:
    """Whether a folder holds the stages of `auto_depth`."""
    return (folder / FILE).is_file()


def possible(settings: Settings) -> None:
    """Refuse what a search cannot do, before time is spent."""
    able = [name for name, row in METHODS.items() if row.cls.deepens is not None]
    if settings.method not in able:
        raise UsageError(
            f"--auto-depth: {settings.method} has no depth to choose; methods that have: {', '.join(able)}"
        )
    if settings.training.steps is None and settings.training.minutes is None:
        raise UsageError("--auto-depth: give the whole budget, --steps or --minutes")
    if settings.training.devices * settings.training.nodes > 1:
        raise UsageError("--auto-depth: trains on one device; leave out --devices and --nodes")


def asked_depth(asked: Asked, method: str) -> dict[str, Any]:
    """The deep run's depth as a file of settings has it; raises UsageError where what is asked for is not deep."""
    setting = METHODS[method].cls.deepens
    assert setting is not None, "seen to before"
    own = (read_settings(asked.file).get("method_settings") or {}) if asked.file else {}
    found = {name: value for name, value in own.items() if name == setting}
    deep = asked.settings.get(setting, found.get(setting))
    if deep is not None:
        depths(0, int(deep))
    return found


def place(out: Path | str | None, sources: tuple[str, ...]) -> Path:
    """The folder of the search: `out`, or one named by the data; raises UsageError where it has something in it."""
    if out is None:
        return numbered(Path("runs") / f"{called([Path(source).name for source in sources])}-depths")
    path = Path(out)
    if is_search(path):
        raise UsageError(f"{path}: holds such a search; choose another --out, or continue it with --resume {path}")
    require_free(path)
    return path


class Search:
    """One call's work on a folder of stages. What to do next follows from the plan and from the runs that are there."""

    def __init__(self, folder: Path, plan: Plan, say: Say) -> None:
        self.folder, self.plan, self.say = folder, plan, say
        setting = METHODS[plan.method].cls.deepens
        assert setting is not None, "seen to when the plan was made"
        self.setting = setting

    def run(self) -> Path:
        """Find the depth and train the deep run."""
        try:
            found, trials = self._search()
            self.say("; ".join(map(str, trials)))
            self.say(f"depth {found.depth} is taken as teacher")
            shallow, deep = self._stage(found.depth), self.folder / DEEP
            settings: dict[str, Any] = {self.setting: self._deep(found.depth, shallow), **self.plan.settings}
            self._train(deep, len(trials), RunFolder(shallow).model("last"), {self.setting: settings[self.setting]})
        except Interrupted as stop:
            raise Interrupted(stop.signal, stop.done, f"unpaired train --resume {self.folder}") from stop
        return deep

    def _search(self) -> tuple[Trial, list[Trial]]:
        trials: list[Trial] = []
        to_try = list(DEPTHS)
        while True:
            depth = to_try[len(trials)]
            self._train(self._stage(depth), None, None, {self.setting: depth, "evaluate_every": None})
            trials.append(measured(self._stage(depth), depth))
            size = RunFolder(self._stage(depth)).configuration().data.size
            deep = self.plan.settings.get(self.setting, deepest(size))
            to_try = depths(size, None if deep is None else int(deep))
            found = enough(trials, self.plan.threshold, len(trials) == len(to_try))
            if found is not None:
                return found, trials

    def _stage(self, depth: int) -> Path:
        return self.folder / f"depth-{depth:02d}"

    def _deep(self, found: int, shallow: Path) -> int:
        return min(found + DEEPER, deepest(RunFolder(shallow).configuration().data.size))

    def _train(self, path: Path, trials: int | None, teacher: Path | None, settings: dict[str, Any]) -> None:
        """Bring one stage to its end, from wherever it stands."""
        run, plan = RunFolder(path), self.plan
        if finished(run):
            return
        self.say(f"\n=== {path.name} ===")
        if saved_steps(run.checkpoints):
            resume(path, say=self.say)
            return
        shutil.rmtree(path, ignore_errors=True)  # stopped before its first checkpoint
        train(
            *plan.data,
            method=plan.method,
            preset=plan.preset,
            out=path,
            config=None if plan.config is None else Path(plan.config),
            pairs=plan.pairs,
            teacher=teacher,
            say=self.say,
            **plan.settings | plan.budget(trials) | settings,
        )


def measured(path: Path, depth: int) -> Trial:
    """What a trained depth came to in the end: KID on held-back items. Raises WorkError where none was measured."""
    lines = [line for line in History(RunFolder(path).history).read("evaluation") if line["routes"]]
    route = lines[-1]["routes"][0] if lines else {}
    if route.get("kid") is None or route.get("kid_error") is None:
        raise WorkError(
            f"{path}: no KID was measured, by which a depth is chosen: too few items are held back, or it was turned "
            f"off. {INSTALL}; or choose a depth yourself: --depth N"
        )
    return Trial(depth, route["kid"], route["kid_error"], route.get("kid_real") or 0.0)
