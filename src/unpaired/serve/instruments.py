"""Measurements of a server for `/metrics`, in the text format of Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from unpaired.serve.models import ServedModels

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Instruments:
    """Counters of requests and files, times, and the length of the queues; each server has its own registry."""

    def __init__(self, models: ServedModels) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "unpaired_requests", "Answered requests", ["method", "route", "status"], registry=self.registry
        )
        self.files = Counter("unpaired_files", "Translated and failed files", ["run", "result"], registry=self.registry)
        self.latency = Histogram(
            "unpaired_translation_seconds",
            "Seconds from the end of an upload to the end of its translation",
            ["run"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.active = Gauge("unpaired_active_requests", "Requests with a body in progress", registry=self.registry)
        waiting = Gauge("unpaired_waiting_translations", "Waiting translations", ["run"], registry=self.registry)
        for name, model in models.by_name.items():
            waiting.labels(name).set_function(model.worker.count_waiting)

    def render(self) -> bytes:
        """Return all measurements as text."""
        return generate_latest(self.registry)
