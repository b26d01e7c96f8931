"""Isolated margin once more: what a fill moves between a wallet and a margin, in two steps, and what orders reserve."""

from collections.abc import Callable
from fractions import Fraction
from math import floor

Initial = Callable[[int, int], int]  # initial margin of so many lots at a price


def after_closing(margin: int, held: int, closed: int, earned: int) -> tuple[int, int]:
    """Margin after closing so many of the lots held, and what the wallet gets."""
    share = floor(Fraction(margin * closed, abs(held)))
    if share + earned >= 0:
        return margin - share, share + earned
    return margin + earned, 0


def drawn_for_opening(
    held: int, after: int, price: int, mark: int, tick_value: int, initial: Initial, spare: int
) -> int:
    """What more lots of one sign bring from the wallet into the margin."""
    direction = 1 if after > 0 else -1
    wanted = initial(after, price) - initial(held, price)
    lost_at_once = direction * (price - mark) * abs(after - held) * tick_value
    if lost_at_once > 0:
        wanted += lost_at_once
    return min(wanted, spare) if spare > 0 else 0


def reserve(size: int, longest: int, shortest: int, mark: int, equity: int, initial: Initial) -> int:
    """What must be free in the wallet for the most positive and the most negative position that orders can lead to."""
    needs = [0]
    if longest > max(0, size):
        needs.append(initial(longest, mark) - (initial(size, mark) if size >= 0 else max(0, equity)))
    if shortest < min(0, size):
        needs.append(initial(shortest, mark) - (initial(size, mark) if size <= 0 else max(0, equity)))
    return max(needs)
