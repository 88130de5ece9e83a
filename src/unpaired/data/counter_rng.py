"""Counter-based random numbers: a pure function of integer keys, equal in every process and version."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

RandomBits = npt.NDArray[np.uint64]
_UINT64 = np.uint64


def generate_bits(*keys: int | npt.NDArray[np.integer]) -> RandomBits:
    """Return 64 well-mixed bits for each combination of `keys` (integers, or arrays that broadcast).

    The method is the chained finalizer of splitmix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number
    generators").
    """
    state = np.zeros(1, _UINT64)
    for key in keys:
        state = _mix_bits(state ^ np.atleast_1d(np.asarray(key)).astype(_UINT64))
    return state


def _mix_bits(z: RandomBits) -> RandomBits:
    z = z + _UINT64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> _UINT64(30))) * _UINT64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> _UINT64(27))) * _UINT64(0x94D049BB133111EB)
    return z ^ (z >> _UINT64(31))


def generate_permutation(count: int, *keys: int) -> npt.NDArray[np.int32]:
    """Return the permutation of range(count) that `keys` determine."""
    return np.argsort(generate_bits(*keys, np.arange(count)), kind="stable").astype(np.int32)
