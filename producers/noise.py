"""Keyed randomness: every draw is a function of (seed, name, key), never of how many were drawn before.

Why       A sequential stream shifts for everybody as soon as one participant acts once more. With keys, a what-if,
          a shorter run and a run an hour later meet the same chance wherever they ask the same question.
Keys      Integers, usually (step since the start, which draw), so never a date.
Holds     No state. The same on any machine and under any hash seed: integer arithmetic up to the last step.
"""

from hashlib import blake2b
from math import cos, exp, log, pi, sqrt

_MASK = (1 << 64) - 1
_SCALE = 2.0**-53


class Noise:
    """The chance of one participant under one seed."""

    __slots__ = ("_base",)

    def __init__(self, seed: int, name: str) -> None:
        digest = blake2b(f"{seed}/{name}".encode(), digest_size=8).digest()
        self._base = int.from_bytes(digest, "big")

    def uniform(self, *key: int) -> float:
        """In (0, 1), never either end."""
        state = self._base
        # A step of splitmix64 for each part and one more, so that neighbouring keys come out unrelated.
        for part in (*key, 0):
            state = ((state ^ (part & _MASK)) + 0x9E3779B97F4A7C15) & _MASK
            state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
            state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
            state ^= state >> 31
        return ((state >> 11) + 0.5) * _SCALE

    def normal(self, *key: int) -> float:
        """Mean 0, standard deviation 1."""
        return sqrt(-2.0 * log(self.uniform(*key, 1))) * cos(2.0 * pi * self.uniform(*key, 2))

    def exponential(self, mean: float, *key: int) -> float:
        """A waiting time with this mean."""
        return -mean * log(self.uniform(*key))

    def lognormal(self, median: float, sigma: float, *key: int) -> float:
        """Heavy-tailed: the logarithm is normal."""
        return median * exp(sigma * self.normal(*key))
