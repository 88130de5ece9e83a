"""Evaluation and steganography audit of a trained run."""
