"""Training: the loop, optimizers, EMA, checkpoints, distributed ranks and logs."""
