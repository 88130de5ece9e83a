"""Loss terms: pure functions from tensors to a scalar. They hold no state, and compute in float32 or wider."""
