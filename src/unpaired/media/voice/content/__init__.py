"""Content features: what is said, frame by frame, from the encoder of a speech recognizer (extra `voice-content`)."""
