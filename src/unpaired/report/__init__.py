"""The report of a run: data, verdict, samples, measures, loss curves and settings on one HTML page."""
