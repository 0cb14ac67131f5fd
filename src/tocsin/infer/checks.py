"""What numbers a question may have."""

from __future__ import annotations

import numpy as np

from tocsin.errors import TocsinError
from tocsin.words import check_seed


def check_whole(least: int = 0, **numbers: object) -> None:
    """Refuse arguments, by their names, that are no whole numbers of at least `least`."""
    for name, value in numbers.items():
        if name == "seed":
            check_seed(value)
        elif isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise TocsinError(f"{name}= is a whole number of at least {least}, not {value!r}")


def check_level(level: object) -> None:
    """Refuse a probability of intervals that does not lie between 0 and 1."""
    if isinstance(level, bool) or not isinstance(level, int | float) or not 0 < level < 1:
        raise TocsinError(f"the level of an interval lies between 0 and 1, not at {level!r}")
