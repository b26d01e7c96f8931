"""Arithmetic: the divisions of the exchange, each named by the way it rounds."""


def div_floor(dividend: int, divisor: int) -> int:
    """The quotient, rounded down."""
    return dividend // divisor


def div_ceil(dividend: int, divisor: int) -> int:
    """The quotient, rounded up."""
    return -(-dividend // divisor)


def div_nearest(dividend: int, divisor: int) -> int:
    """The quotient, rounded to the nearest integer, a half upwards; the divisor is positive."""
    return (2 * dividend + divisor) // (2 * divisor)
