"""Run folders: files that training writes, and that translation, evaluation and reports read."""
