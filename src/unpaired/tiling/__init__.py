"""Evaluation of networks on images of any size: tile by tile, with the result of a pass over the whole image."""
