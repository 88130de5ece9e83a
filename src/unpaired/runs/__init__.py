"""A run's folder: what training leaves, and what translating, evaluating and reporting read."""
