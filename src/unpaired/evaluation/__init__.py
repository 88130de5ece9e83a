"""Measures of whether a translator works, as pure functions, and the evaluation of a run made of them."""
