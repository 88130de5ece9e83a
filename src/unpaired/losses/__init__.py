"""Losses: pure functions from tensors to a scalar, without state, computed in float32 or wider."""
