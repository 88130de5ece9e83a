"""Methods in stages: runs trained one after the other, each an ordinary run, the later ones taught by the earlier."""
