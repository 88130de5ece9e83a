"""Random numbers that are a pure function of words (seed, domain, position): the same in every process and version."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

RandomBits = npt.NDArray[np.uint64]
_U = np.uint64


def generate_bits(*keys: int | npt.NDArray[np.integer]) -> RandomBits:
    """64 well-mixed bits for each combination of `words` (integers, or arrays that broadcast).

    The finaliser of splitmix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators"), chained.
    """
    state = np.zeros(1, _U)
    for key in keys:
        state = _mix_bits(state ^ np.atleast_1d(np.asarray(key)).astype(_U))
    return state


def _mix_bits(z: RandomBits) -> RandomBits:
    z = z + _U(0x9E3779B97F4A7C15)
    z = (z ^ (z >> _U(30))) * _U(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> _U(27))) * _U(0x94D049BB133111EB)
    return z ^ (z >> _U(31))


def generate_permutation(count: int, *keys: int) -> npt.NDArray[np.int32]:
    """A permutation of range(count), drawn by `words`."""
    return np.argsort(generate_bits(*keys, np.arange(count)), kind="stable").astype(np.int32)
