"""Benchmarks behind the figures of the README and the docs; run one with `python -m benchmarks.NAME --help`."""
