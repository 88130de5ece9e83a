"""Metrics of voice conversion: pure functions of waves, and the definitions of the metrics."""
