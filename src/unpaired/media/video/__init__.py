"""Video medium: clips, alone or mixed with pictures, and their translation by runs of pictures."""
