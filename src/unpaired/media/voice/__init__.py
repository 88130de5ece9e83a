"""Recordings as a medium: recordings to feature frames and back. Most modules need the extra `voice`."""
