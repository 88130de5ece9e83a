"""Settings: typed models, layers of presets, files and flags, and a run's configuration."""
