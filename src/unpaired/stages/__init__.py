"""Training in stages: several ordinary runs in sequence, with an earlier run as teacher of a later one."""
