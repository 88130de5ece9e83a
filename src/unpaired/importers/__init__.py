"""Models of other programs become runs of ours, which translate and are measured as any other."""
