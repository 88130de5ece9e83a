"""HTML report of a run: data, verdict, samples, metrics, loss curves and settings on one page."""
