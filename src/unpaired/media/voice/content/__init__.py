"""Content features: speaker-independent features of the spoken words, from a speech recognizer's encoder."""
