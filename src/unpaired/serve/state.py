"""State that the routes of a server share."""

from __future__ import annotations

from dataclasses import dataclass, field

from unpaired.serve.errors import RequestError
from unpaired.serve.instruments import Instruments
from unpaired.serve.models import ServedModel, ServedModels
from unpaired.serve.settings import ServeSettings
from unpaired.serve.storage import PrivateFolder
from unpaired.serve.verdict import render_report
from unpaired.serve.worker import JobResult


@dataclass
class ServerState:
    """Models, private folder and measurements of a server. `is_stopping`: new translations are refused."""

    settings: ServeSettings
    storage: PrivateFolder
    models: ServedModels
    instruments: Instruments = field(init=False)
    is_stopping: bool = False

    def __post_init__(self) -> None:
        self.instruments = Instruments(self.models)

    def require_running(self) -> None:
        """Raise RequestError while the server stops."""
        if self.is_stopping:
            raise RequestError(503, "the server is stopping", retry_after=5)

    def count_files(self, model: ServedModel, result: JobResult) -> None:
        """Count the files of a finished translation."""
        self.instruments.files.labels(model.name, "translated").inc(len(result.outputs))
        self.instruments.files.labels(model.name, "failed").inc(len(result.failed))

    def render_report(self, model: ServedModel) -> str:
        """Return a run's report; raises RequestError if reports are not published."""
        if not self.settings.show_report:
            raise RequestError(404, "reports are not published by this server")
        return render_report(model)
