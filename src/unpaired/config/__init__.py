"""Settings: typed models, resolution of presets, files and flags, and the configuration of a run."""
