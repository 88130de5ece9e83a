"""Every figure that the README states, as a command: `python -m benchmarks.step --help`."""
