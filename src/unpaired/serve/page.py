"""The web page: files are dropped, translated and shown beside their inputs. Made with gradio."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

from unpaired.serve.errors import RequestError
from unpaired.serve.models import ServedModel
from unpaired.serve.page_paths import PathAlias
from unpaired.serve.page_viewers import Viewers
from unpaired.serve.page_work import CACHE_NAME, KEPT_SECONDS, PageRequest, PageResult, translate_for_page
from unpaired.serve.state import ServerState
from unpaired.serve.verdict import describe_model

UNCHANGED = "leave as it is"
UNKNOWN = "not stated"
STYLE = """
.gradio-container { max-width: 1120px !important; margin: 0 auto !important; }
footer { display: none !important; }
#title h1 { margin-bottom: 0; }
"""
_SWEEP_SECONDS = 300


def mount_page(app: FastAPI, state: ServerState) -> ASGIApp:
    """Mount the page at the root of `app`, and return the application with the server's paths replaced in answers.

    Gradio keeps uploads in the private folder. It sends no usage data.
    """
    cache = state.storage.path / CACHE_NAME
    cache.mkdir()
    os.environ |= {
        "GRADIO_TEMP_DIR": str(cache),
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_RUN_HISTORY": "False",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    import gradio  # noqa: PLC0415 - it reads these variables

    working_folder = Path.cwd()
    app = gradio.mount_gradio_app(
        app,
        create_page(state),
        path="/",
        footer_links=[],
        run_history=False,
        show_error=False,
        # Blocking takes precedence, so a folder that contains the private one cannot be blocked.
        blocked_paths=[] if cache.resolve().is_relative_to(working_folder) else [str(working_folder)],
        max_file_size=state.settings.max_bytes,
        ssr_mode=False,
        enable_monitoring=False,
        mcp_server=False,
        pwa=False,
        css=STYLE,
        theme=gradio.themes.Default(
            primary_hue="teal",
            font=["system-ui", "sans-serif"],
            font_mono=["ui-monospace", "monospace"],
        ),
    )
    return PathAlias(app, str(cache))


def create_page(state: ServerState) -> Any:
    """Return gradio's description of the page: a tab for each model."""
    import gradio  # noqa: PLC0415 - seconds to import

    page = gradio.Blocks(title="unpaired", analytics_enabled=False, delete_cache=(_SWEEP_SECONDS, KEPT_SECONDS))
    with page:
        gradio.Markdown("# unpaired\nTranslate files with trained models.", elem_id="title")
        models = list(state.models.by_name.values())
        if len(models) == 1:
            ModelPanel(gradio, state, models[0]).build()
        else:
            with gradio.Tabs():
                for model in models:
                    with gradio.Tab(model.name):
                        ModelPanel(gradio, state, model).build()
    page.queue(max_size=state.settings.max_queue, default_concurrency_limit=state.settings.batch_size)
    return page


@dataclass(frozen=True)
class _Target:
    """Controls of the direction or the labels, and the function from their values to `to` and `from`."""

    controls: list[Any]
    read: Callable[..., tuple[str, str]]


class ModelPanel:
    """Controls and results of one model."""

    def __init__(self, gradio: Any, state: ServerState, model: ServedModel) -> None:
        self.gradio, self.state, self.model = gradio, state, model

    def build(self) -> None:
        """Add the components to the page that is being built."""
        gradio, medium = self.gradio, self.model.medium
        with gradio.Row(equal_height=False):
            with gradio.Column(scale=2, min_width=320):
                files = gradio.File(
                    label=f"{medium.inputs_noun.capitalize()}, or a zip of them",
                    file_count="multiple",
                    file_types=[*sorted(medium.input_suffixes), ".zip"],
                    height=180,
                )
                recording = self._build_microphone()
                target = self._build_target()
                checkpoint = self._build_checkpoint()
                consent = self._build_consent()
                button = gradio.Button("Translate", variant="primary")
            with gradio.Column(scale=3, min_width=360):
                viewers = Viewers(gradio, medium.preview_kinds)
                choice = gradio.Dropdown([], label="Show", visible=False, interactive=True)
                download = gradio.File(label="Download", visible=False, interactive=False, height=90)
                remarks = gradio.Markdown(visible=False)
        with gradio.Accordion(f"How good is {self.model.name}?", open=True):
            gradio.Markdown(self._describe_quality())
        pairs = gradio.State([])

        def run(
            paths: list[str] | None,
            recorded: str | None,
            agreed: bool,
            chosen: str,
            *values: Any,
            progress: Any = gradio.Progress(),  # noqa: B008 - gradio recognizes the default
        ) -> tuple[Any, ...]:
            to, source = target.read(*values)
            request = PageRequest(
                [*(paths or []), *([recorded] if recorded else [])], bool(agreed), to, source, chosen or ""
            )
            try:
                result = translate_for_page(self.state, self.model, request, progress)
            except RequestError as error:
                raise gradio.Error(error.reason, title="Not translated", print_exception=False) from None
            return (*self._show_result(result, viewers), result.pairs)

        button.click(
            run,
            [files, recording, consent, checkpoint, *target.controls],
            [*viewers.components, choice, download, remarks, pairs],
            api_visibility="private",
            concurrency_limit=self.state.settings.batch_size,
        )
        choice.input(
            lambda name, found: viewers.show(next((pair for pair in found if pair.name == name), None)),
            [choice, pairs],
            viewers.components,
            api_visibility="private",
        )

    def _build_microphone(self) -> Any:
        if "sound" not in self.model.medium.preview_kinds:
            return self.gradio.State(None)
        return self.gradio.Audio(
            sources=["microphone"], type="filepath", format="wav", label="Or record with the microphone"
        )

    def _build_target(self) -> _Target:
        groups = self.model.translator.network.labels
        return self._build_routes() if groups is None else self._build_labels()

    def _build_routes(self) -> _Target:
        translator = self.model.translator
        if translator.network.takes_any_source:
            choices = {f"to {target}": (target, "") for _, target in translator.routes}
        else:
            choices = {f"{source} → {target}": (target, source) for source, target in translator.routes}
        control = self.gradio.Radio(list(choices), value=next(iter(choices)), label="Direction")
        return _Target([control], lambda name: choices[name])

    def _build_labels(self) -> _Target:
        """Build a choice and an amount for each group of labels."""
        gradio, labels = self.gradio, self.model.translator.network.labels
        assert labels is not None
        controls: list[Any] = []
        for index, group in enumerate(labels.groups):
            name = group.column or " / ".join(group.domains[:3]) + (" ..." if len(group.domains) > 3 else "")
            with gradio.Row():
                value = group.domains[0] if index == 0 else UNCHANGED
                controls.append(gradio.Dropdown([UNCHANGED, *group.domains], value=value, label=name, min_width=140))
                controls.append(gradio.Slider(0, 1, 1, step=0.05, label="Amount", min_width=140))
        domains = [UNKNOWN, *labels.domains]
        controls.append(gradio.Dropdown(domains, value=UNKNOWN, label="The files show (needed for amounts below 1)"))

        def read(*values: Any) -> tuple[str, str]:
            chosen = [
                name if amount == 1 else f"{name}={amount:g}"
                for name, amount in zip(values[0:-1:2], values[1:-1:2], strict=True)
                if name != UNCHANGED
            ]
            return ",".join(chosen), "" if values[-1] == UNKNOWN else values[-1]

        return _Target(controls, read)

    def _build_checkpoint(self) -> Any:
        names = [str(name) for name in self.model.checkpoints]
        if len(names) < 2:
            return self.gradio.State("")
        return self.gradio.Radio(names, value=names[0], label="Checkpoint")

    def _build_consent(self) -> Any:
        question = self.model.medium.consent_question
        return self.gradio.Checkbox(label=question) if question else self.gradio.State(True)

    def _show_result(self, result: PageResult, viewers: Viewers) -> tuple[Any, ...]:
        """Return the values of the viewers, the choice, the download and the remarks."""
        gradio = self.gradio
        names = [pair.name for pair in result.pairs]
        return (
            *viewers.show(result.pairs[0] if result.pairs else None),
            gradio.Dropdown(choices=names, value=names[0] if names else None, visible=len(names) > 1),
            gradio.File(value=result.download, visible=result.download is not None),
            gradio.Markdown(result.remarks, visible=bool(result.remarks)),
        )

    def _describe_quality(self) -> str:
        verdict = describe_model(self.model)
        lines = [f"**{item.heading}:** {item.text}" if item.heading else item.text for item in verdict.verdicts]
        lines += [verdict.measured_on, verdict.training]
        if self.state.settings.show_report and self.model.is_run:
            lines.append(f'<a href="v1/models/report?run={self.model.name}" target="_blank">Full report</a>')
        return "\n\n".join(line for line in lines if line)
