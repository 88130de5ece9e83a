"""From a method's trained run to its part of the comparison."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from torch import nn

from unpaired import __version__
from unpaired.comparison import listens
from unpaired.comparison.folder import ComparisonFolder, Part, Record
from unpaired.comparison.looks import Looks
from unpaired.comparison.plan import Plan
from unpaired.comparison.result import Comparison, Hidden, Result
from unpaired.data.split import held_back
from unpaired.errors import UnpairedError, WorkError
from unpaired.evaluation import trend
from unpaired.evaluation.audit import STEPS, audit
from unpaired.evaluation.audited import read_audit
from unpaired.evaluation.items import own_sets
from unpaired.evaluation.run import evaluate
from unpaired.evaluation.voice.measure import VoiceMeasures
from unpaired.methods import METHODS
from unpaired.report import write_report
from unpaired.report.facts import Facts, gather
from unpaired.report.recordings import VoiceTest
from unpaired.runs.files import read_lists
from unpaired.runs.progress import Budget, Progress
from unpaired.settings import VoiceSettings
from unpaired.terminal import Say
from unpaired.translate import Translator

LIMIT = 500
"""Items of each domain that are measured at most."""


class Examiner:
    """Measures runs alike and remembers what it found, so that the page can be written after every method."""

    def __init__(
        self, folder: ComparisonFolder, plan: Plan, pairs: bool, audits: bool, jury: listens.Jury, say: Say
    ) -> None:
        self.folder, self.plan, self.audits, self.jury, self.say = folder, plan, audits, jury, say
        self.config = plan.prepared.config
        self.sets = read_lists(folder.lists, self.config).sets
        self.counts = tuple(len(part.train) for part in self.sets)
        self.looks = Looks(folder, self.config, self.sets, pairs)
        self.beside: tuple[VoiceMeasures, ...] = ()
        self._tests: list[tuple[VoiceSettings | None, VoiceTest]] = []
        self.found: dict[str, Result] = {}

    def examine(self, name: str) -> Result:
        """Measure a trained method, picture its translations and time them (once a call).

        Raises WorkError where its run is damaged or split the files otherwise, Diverged where its translations are not
        finite.
        """
        if name not in self.found:
            self.found[name] = self._examined(name)
        return self.found[name]

    def _examined(self, name: str) -> Result:
        run = self.folder.run(name)
        facts = gather(run.path)
        if contents(run.files) != contents(self.folder.lists.files):
            raise WorkError(f"{run.path}: the run split the files otherwise than the comparison, so it was set apart")
        return self._heard(name, facts) if facts.config.medium == "voice" else self._seen(name, measured(facts))

    def _seen(self, name: str, facts: Facts) -> Result:
        translator = Translator.load(facts.folder.path, device=facts.config.training.device)
        seconds, shown = self.looks.show(name, translator), facts.test
        found = {
            "measured_on": shown.set if shown is not None else "",
            "routes": shown.routes if shown is not None else (),
            "hidden": self._hidden(facts),
        }
        return self._result_of(name, facts, translator, seconds).model_copy(update=found)

    def _heard(self, name: str, facts: Facts) -> Result:
        seen_alike = [test for voice, test in self._tests if voice == facts.config.voice]
        test = listens.measured(facts, self.sets, self.jury, seen_alike)
        self._tests.append((facts.config.voice, test))
        known = {m.route for m in self.beside}
        self.beside += tuple(m for m in listens.beside(test) if m.route not in known)
        translator = Translator.load(facts.folder.path, device=facts.config.training.device)
        seconds = listens.seconds(facts.folder, translator)
        found = {"measured_on": test.set, "voices": listens.converted(test)}
        return self._result_of(name, facts, translator, seconds).model_copy(update=found)

    def _result_of(self, name: str, facts: Facts, translator: Translator, seconds: float | None) -> Result:
        """How the training went, and what it costs."""
        method = translator.method
        kids = [(e.step, e.mean_kid) for e in facts.evaluations if e.mean_kid is not None]
        which = facts.default or "last"
        return Result(
            method=name,
            paper=METHODS[name].paper,
            state="done",
            steps=facts.progress.step,
            seconds=facts.progress.spent_s,
            precision=facts.config.training.precision,
            checkpoint=which,
            checkpoint_step=facts.steps.get(which, 0),
            parameters=parameters(method.get_submodule(role) for role in method.translators),
            parameters_all=parameters([method]),
            translate_s=seconds,
            gains=trend.trend(kids) == "gains",
        )

    def _hidden(self, facts: Facts) -> dict[str, Hidden]:
        """Hidden information of each direction: audited before at the state that translates, or now if it is wanted."""
        run = facts.folder
        known = read_audit(run.audit)
        alike = known is not None and (known.checkpoint, known.step) == facts.translating
        if known is None or not alike or any(r.steps != STEPS for r in known.routes):
            if not self.audits:
                return {}
            self.say(f"auditing {run.path} for hidden information")
            try:
                known = audit(run.path, device=facts.config.training.device)
            except UnpairedError as error:
                self.say(f"not audited: {error}")
                return {}
            write_report(run.path)
        return {r.route: Hidden(share=r.hidden, error=r.hidden_error) for r in known.routes}

    def comparison(self, record: Record) -> Comparison:
        """The whole as it stands, with every method of the record."""
        results = tuple(self._result(name, part) for name, part in record.methods.items())
        config = self.config
        training = next(iter(self.plan.entries.values())).settings.training
        open_ended = not (training.steps or training.minutes)
        budget = Budget(config.training.steps, None) if open_ended else Budget(training.steps, training.minutes)
        return Comparison(
            unpaired=__version__,
            path=str(self.folder.path),
            domains=tuple(d.name for d in config.domains),
            counts=self.counts,
            budget=str(budget),
            preset=config.preset,
            medium=config.medium,
            size=config.data.size,
            batch=config.training.batch,
            seed=config.training.seed,
            device=config.training.device,
            pairs=record.pairs,
            settings={name: part.settings for name, part in record.methods.items()},
            results=results,
            left_out={name: why for name, why in self.plan.left_out.items() if name not in record.methods},
            beside=self.beside,
        )

    def _result(self, name: str, part: Part) -> Result:
        """A method's result: measured where it is done, else how far it came."""
        try:
            if part.state == "done":
                return self.examine(name)
            progress = gather(self.folder.run(name).path).progress
        except UnpairedError as error:
            progress = Progress()
            if part.state == "done":
                part = Part(settings=part.settings, state="failed", reason=str(error))
        paper = METHODS[name].paper if name in METHODS else ""
        steps, seconds = progress.step, progress.spent_s
        return Result(method=name, paper=paper, state=part.state, reason=part.reason, steps=steps, seconds=seconds)


def measured(facts: Facts) -> Facts:
    """A run's facts with measures on as many held-back items as all are measured on; nothing is measured twice."""
    sets, _ = own_sets(facts.config, facts.folder)
    which = held_back(sets)
    if which is None:
        return facts
    counts = {part.name: min(LIMIT, len(part.of(which))) for part in sets}
    found = facts.test
    known = (
        found is not None
        and (found.checkpoint, found.step) == facts.translating
        and found.own
        and all([m.sources, m.targets] == [counts.get(name) for name in m.route.split(" -> ")] for m in found.routes)
    )
    if known:
        return facts
    evaluate(facts.folder.path, limit=LIMIT, device=facts.config.training.device)
    write_report(facts.folder.path)
    return gather(facts.folder.path)


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder by name; raises WorkError where they cannot be read."""
    try:
        return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    except OSError as error:
        raise WorkError(f"{folder}: cannot be read ({error})") from error


def parameters(modules: Iterable[nn.Module]) -> int:
    """Parameters of some modules, each counted once where they share layers."""
    return sum(p.numel() for p in {id(p): p for module in modules for p in module.parameters()}.values())
