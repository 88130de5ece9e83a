"""The shared loop and all that it keeps: players, checkpoints, averages, ranks, records."""
