"""Data: listing, inspection and splits of file collections, and batches of training items."""
