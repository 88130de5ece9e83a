"""Pictures as a medium: reading, training items, translation, metrics, and sections of reports."""
