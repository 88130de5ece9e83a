"""Sharing of runs on the Hugging Face Hub: `unpaired push`, and `hf:user/name` in place of a run's folder."""
