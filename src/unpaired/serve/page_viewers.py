"""Viewers of the web page: a file before and after its translation, as a picture, a sound or a clip."""

from __future__ import annotations

from typing import Any

from unpaired.media.interface import PreviewKind
from unpaired.serve.page_work import Pair


class Viewers:
    """Components of gradio for each kind of preview; those of one kind are visible."""

    def __init__(self, gradio: Any, kinds: tuple[PreviewKind, ...]) -> None:
        self._gradio, self._kinds = gradio, kinds
        builders = {"picture": self._build_slider, "sound": self._build_players, "clip": self._build_screens}
        self._by_kind = {kind: builders[kind](visible=kind == kinds[0]) for kind in kinds}

    @property
    def components(self) -> list[Any]:
        """The components that `show` updates."""
        return [component for own in self._by_kind.values() for component in own]

    def show(self, pair: Pair | None) -> list[Any]:
        """Return the updates of the components that show a file; None: show nothing."""
        shown = self._kinds[:1] if pair is None else (pair.kind,)
        updates = []
        for kind, own in self._by_kind.items():
            values: list[Any] = [None] * len(own)
            if pair is not None and kind == pair.kind:
                values = [(pair.before, pair.after)] if kind == "picture" else [pair.before, pair.after]
            updates += [self._gradio.update(value=value, visible=kind in shown) for value in values]
        return updates

    def _build_slider(self, visible: bool) -> list[Any]:
        return [
            self._gradio.ImageSlider(
                label="Before and after: drag the divider",
                type="filepath",
                interactive=False,
                max_height=520,
                visible=visible,
            )
        ]

    def _build_players(self, visible: bool) -> list[Any]:
        return [
            self._gradio.Audio(label=label, type="filepath", interactive=False, buttons=[], visible=visible)
            for label in ("Before", "After")
        ]

    def _build_screens(self, visible: bool) -> list[Any]:
        """Build the players of clips, in one row."""
        with self._gradio.Row():
            return [
                self._gradio.Video(
                    label=label, interactive=False, buttons=[], height=320, min_width=200, visible=visible
                )
                for label in ("Before (first seconds)", "After (first seconds)")
            ]
