"""From folders to batches: what is in them, what of it is held back, and which items a step sees."""
