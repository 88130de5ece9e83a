"""Import of generators of other programs as runs that translate and can be evaluated."""
