"""Metrics: declarations, pure functions of tensors, and the text that describes their values."""
