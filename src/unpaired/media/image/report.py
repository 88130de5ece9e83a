"""Section of a report with a run's sample grids."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from unpaired.media.image.settings import image_settings
from unpaired.media.pictures import EmbeddedImage, embed_image
from unpaired.networks.rgb import describe_rgb
from unpaired.report.templating import render
from unpaired.runs.summary import RunSummary, SampleGrid

MAX_EARLIER_STEPS = 8
"""Maximum number of steps in the time line of earlier samples."""
CAPTIONS = ("input", "translation", "reconstruction")


def render_samples(summary: RunSummary) -> Markup:
    """Render the grids of the newest samples, and a time line of earlier ones."""
    steps = sorted({sample.step for sample in summary.samples})
    newest = select_latest_samples(summary.samples, steps[-1]) if steps else []
    size = image_settings(summary.config).size
    grids = [(sample, embed_image(sample.path)) for sample in newest]
    earlier = select_steps(steps[:-1], MAX_EARLIER_STEPS)
    timelines = [
        {"route": route, "pictures": _embed_earlier(summary.samples, route, earlier)}
        for route in dict.fromkeys(sample.route for sample in summary.samples)
    ]
    return render(
        "image_samples",
        step=steps[-1] if steps else 0,
        captions=CAPTIONS,
        shown_channels=describe_rgb(image_settings(summary.config).num_channels),
        grids=[
            {
                "route": sample.route,
                "file": sample.path.name,
                "picture": picture,
                "captions": () if picture is None else get_captions(picture, size),
            }
            for sample, picture in grids
        ],
        timelines=[line for line in timelines if line["pictures"]],
    )


def select_latest_samples(samples: Sequence[SampleGrid], step: int) -> list[SampleGrid]:
    """Return the samples of a step, the newest of each route (a resumed run may have several)."""
    return list({sample.route: sample for sample in samples if sample.step == step}.values())


def select_steps(steps: Sequence[int], limit: int) -> list[int]:
    """Return at most `limit` of the steps, evenly spaced, including the first and the last."""
    if len(steps) <= limit:
        return list(steps)
    return [steps[round(i * (len(steps) - 1) / (limit - 1))] for i in range(limit)]


def get_captions(picture: EmbeddedImage, size: int) -> tuple[str, ...]:
    """Return the captions of a grid's columns of `size` pixels; empty if the grid's width does not match."""
    count = picture.width // size
    return CAPTIONS[:count] if 2 <= count <= len(CAPTIONS) else ()


def _embed_earlier(samples: Sequence[SampleGrid], route: str, steps: Sequence[int]) -> list[tuple[int, EmbeddedImage]]:
    paths = {sample.step: sample.path for sample in samples if sample.route == route and sample.step in steps}
    thumbnails = [(step, embed_image(paths[step], is_thumbnail=True)) for step in steps if step in paths]
    return [(step, picture) for step, picture in thumbnails if picture is not None]
