"""`unpaired.compare`: trains what is planned, one method after the other, and keeps the page up to date."""

from __future__ import annotations

import gc
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from unpaired.comparison.examine import Examiner
from unpaired.comparison.folder import ComparisonFolder, Part, Record, discard, open_folder, unchanged
from unpaired.comparison.listens import Jury
from unpaired.comparison.page import write_page
from unpaired.comparison.plan import ALL, Each, Entry, Plan, make_plan
from unpaired.comparison.result import Comparison
from unpaired.comparison.words import left_out, listed
from unpaired.errors import Diverged, UnpairedError, UsageError, WorkError
from unpaired.evaluation.texts import asked_texts, require_recordings
from unpaired.evaluation.voice.judges import parse_kinds
from unpaired.report.facts import finished
from unpaired.runs.folder import RunFolder, called
from unpaired.runs.progress import Budget, saved_steps
from unpaired.terminal import Say, duration, to_terminal
from unpaired.training.resolve import Asked
from unpaired.training.session import Interrupted
from unpaired.training.train import resume, train


def compare(
    *data: Path | str,
    methods: str | Sequence[str] = ALL,
    out: Path | str | None = None,
    preset: str | None = None,
    config: Path | None = None,
    pairs: bool = False,
    each: Each | None = None,
    audit: bool = False,
    judges: str | Iterable[str] | None = None,
    texts: Path | str | None = None,
    say: Say = to_terminal,
    **settings: Any,
) -> Comparison:
    """Train `methods` (names, or "all" that fit) on `data` with equal budgets; write `compare.html` and `compare.json`.

    `settings`, `preset` and `config` are as in `unpaired.train`, for all methods; `each` has those of one method alone,
    as {"METHOD": {"cycle_weight": 5}}. `minutes` and `steps` are each method's budget. `audit` measures hidden
    information too (minutes a method). `judges` and `texts` of recordings are as in `unpaired.evaluate`; `texts` must
    say what all held-back ones say. Every method is an ordinary run in `out`/METHOD. Called again with the same
    arguments it goes on: finished methods are kept, an interrupted one is resumed, one that failed is tried again (one
    that diverged only with other settings of its own).

    Raises UsageError for wrong settings or paths and a folder that holds something else, WorkError for unusable or
    changed data, Interrupted after a signal once the state is saved. What one method raises is kept with it.
    """
    kinds = parse_kinds(judges)
    sources = [Path(d) for d in data]
    asked = Asked(None, preset, settings, Path(config) if config else None)  # type: ignore[arg-type]
    plan = make_plan(sources, methods, asked, each or {}, pairs)
    names = [domain.name for domain in plan.prepared.config.domains]
    recordings = plan.prepared.config.medium == "voice"
    require_recordings(judges, kinds, recordings)
    if audit and recordings:
        raise UsageError("--audit: for pictures only, but these are recordings; leave it out")
    jury = Jury(kinds, asked_texts(texts, recordings, kinds) if texts is not None else None)
    jury.require_texts(plan.prepared.files.sets)
    path = Path("runs") / f"compare-{called(names)}" if out is None else Path(out)
    folder, record = open_folder(path, plan, pairs)
    return Work(folder, record, plan, sources, asked, audit, jury, say).run()


class Work:
    """One call's work on a comparison; the record in its folder says after each method how far it is."""

    def __init__(
        self,
        folder: ComparisonFolder,
        record: Record,
        plan: Plan,
        sources: list[Path],
        asked: Asked,
        audits: bool,
        jury: Jury,
        say: Say,
    ) -> None:
        self.folder, self.record, self.plan, self.sources = folder, record, plan, sources
        self.asked, self.say = asked, say
        self.examiner = Examiner(folder, plan, record.pairs, audits, jury, say)

    def run(self) -> Comparison:
        """Train and measure every method of the plan; the others of the folder are shown as they are."""
        self._announce()
        entries = self.plan.entries
        for number, (name, entry) in enumerate(entries.items(), 1):
            part = self.record.methods[name]
            if part.state == "diverged":
                self.say(f"{name} {part.reason}; given other settings of its own (--set), it begins anew")
                continue
            self.say(f"\n=== {name} ({number} of {len(entries)}) ===")
            self._work(name, entry)
            self._page()
            gc.collect()
        comparison = self._page()
        self.say(f"comparison: {self.folder.page}")
        return comparison

    def _announce(self) -> None:
        training = next(iter(self.plan.entries.values())).settings.training
        budget = f", {Budget(training.steps, training.minutes)} each" if training.steps or training.minutes else ""
        count = len(self.plan.entries)
        whole = f": {duration(60 * training.minutes * count)} of steps, and evaluations" if training.minutes else ""
        self.say(f"comparing {listed(list(self.plan.entries))}{budget}{whole}, in {self.folder.path}")
        for words in left_out(self.plan.left_out):
            self.say(words)

    def _work(self, name: str, entry: Entry) -> None:
        """Bring one method to its end, and keep what came of it."""
        settings = self.record.methods[name].settings
        if not finished(self.folder.run(name)):
            unchanged(self.folder, self.plan.prepared.config)
        try:
            self._train(name, entry)
            self.examiner.examine(name)
            part = Part(settings=settings, state="done")
        except Interrupted as stop:
            done = f"{name} {stop.done}" if stop.done else ""
            raise Interrupted(stop.signal, done, "the same comparison") from stop
        except Diverged as error:
            part = Part(settings=settings, state="diverged", reason=str(error))
        except UnpairedError as error:
            part = Part(settings=settings, state="failed", reason=str(error))
        except Exception as error:
            part = Part(settings=settings, state="failed", reason=self._kept(name, error))
        if part.reason:
            self.say(f"{name} {part.state}: {part.reason}")
        self.record = self.record.with_part(name, part)
        self.folder.write(self.record)

    def _train(self, name: str, entry: Entry) -> None:
        run = self.folder.run(name)
        if finished(run):
            self.say(f"{name} is trained: {run.path}")
            own_budget(run, entry)
        elif saved_steps(run.checkpoints):
            resume(run.path, say=self.say)
        else:
            discard(run)
            train(
                *self.sources,
                method=name,
                preset=self.asked.preset,
                out=run.path,
                config=self.asked.file,
                pairs=self.record.pairs,
                say=self.say,
                **entry.given,
            )

    def _kept(self, name: str, error: Exception) -> str:
        """A defect's or the machine's error in a line; where in the code it came from goes to a file."""
        path = self.folder.trouble(name)
        path.parent.mkdir(exist_ok=True)
        path.write_text(traceback.format_exc(), encoding="utf-8")
        first = (str(error).splitlines() or [""])[0]
        return f"{type(error).__name__}: {first} (details in {path})"

    def _page(self) -> Comparison:
        comparison = self.examiner.comparison(self.record)
        write_page(self.folder, comparison)
        return comparison


def own_budget(run: RunFolder, entry: Entry) -> None:
    """Raise WorkError where somebody has trained a run further than the comparison would."""
    wanted, found = entry.settings.training, run.configuration().training
    given = Budget(wanted.steps, wanted.minutes)
    now = Budget(found.steps, found.minutes)
    if (wanted.steps or wanted.minutes) and given != now:
        raise WorkError(
            f"{run.path} was trained further than the others, for {now} in place of {given}; to compare it, move it "
            "away and call again"
        )
