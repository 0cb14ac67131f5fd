"""What the worlds split by: the unit and state that tell worlds in which a wave went far from those in which not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tocsin.errors import TocsinError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.ensemble.ensemble import Ensemble

    Floats = NDArray[np.float64]

RARE = 0.05  # share of worlds below which a group says too little

FEWEST = 40  # worlds, half of them to find and half to confirm


@dataclass(frozen=True)
class Split:
    """The unit and state by which worlds differ most in how many others came into a state.

    It describes the worlds and does not say why: whatever moves both looks the same.

    Attributes:
        unit, variable, state: what is so in one group of worlds, at any time, and in the other never.
        share: of all worlds in which it is so.
        median_with, median_without: entries of all other units into the state that was asked about, in the half of
            the worlds that did not choose the split.
        explained: share of the variance of the ranks of these entries that the split tells, in the same half.
        found: the same in the half that chose it, where it is too large.
    """

    unit: str
    variable: str
    state: str
    share: float
    median_with: float
    median_without: float
    explained: float
    found: float

    def __str__(self) -> str:
        return (
            f"In {100 * self.share:.0f} of 100 worlds {self.unit} has {self.variable}={self.state} at some time: "
            f"there the median of entries elsewhere is {self.median_with:g}, in the others {self.median_without:g} "
            f"(this tells {100 * self.explained:.0f}% of the variance of their ranks in worlds that did not "
            "choose it; it does not say why)."
        )


def split_of(ensemble: Ensemble, variable: str, state: str) -> Split | None:
    """Return what the worlds split by; see `Ensemble.split`."""
    if ensemble.worlds < FEWEST:
        raise TocsinError(
            f"to find and to confirm a split takes {FEWEST} worlds or more, not {ensemble.worlds}"
        )
    units = len(ensemble.frame.units)
    place = {unit: k for k, unit in enumerate(ensemble.frame.units)}
    entries = ensemble.entries(variable, state)
    own = np.zeros((ensemble.worlds, units))
    np.add.at(own, (entries["world"].to_numpy(), entries["unit"].map(place).to_numpy(dtype=np.int64)), 1.0)
    total = own.sum(axis=1)
    chosen = np.arange(ensemble.worlds) % 2 == 0
    best: tuple[float, str, str, int, NDArray[np.bool_], Floats] | None = None
    for other in ensemble.frame.variables:
        for each in other.states:
            first = ensemble.first_times(other.name, each)
            there = np.zeros((ensemble.worlds, units), dtype=bool)
            there[first["world"].to_numpy(), first["unit"].map(place).to_numpy(dtype=np.int64)] = True
            # A unit's own entries are no news of it.
            outcome = total[:, None] - (own if other.name == variable else 0.0)
            told = _explained(outcome[chosen], there[chosen])
            k = int(np.argmax(told))
            if told[k] > 0.0 and (best is None or told[k] > best[0]):
                best = (
                    float(told[k]),
                    other.name,
                    each,
                    k,
                    there[:, k],
                    outcome[:, min(k, outcome.shape[1] - 1)],
                )
    if best is None:
        return None
    found, name, each, k, so, outcome = best
    held = ~chosen
    return Split(
        ensemble.frame.units[k],
        name,
        each,
        float(so.mean()),
        float(np.median(outcome[held & so])),
        float(np.median(outcome[held & ~so])),
        float(_explained(outcome[held, None], so[held, None])[0]),
        found,
    )


def _explained(outcome: Floats, there: NDArray[np.bool_]) -> Floats:
    """Return for each column the share of the variance of an outcome's ranks that lies between two groups (C,).

    Of ranks, since a few worlds without measure would decide it otherwise.

    Parameters:
        outcome: (N, C), or (N, 1) for all columns alike.
        there: which worlds are in the first group (N, C); 0 where either has too few.
    """
    share, outcome = there.mean(axis=0), np.apply_along_axis(_ranks, 0, outcome)
    mean, variance = outcome.mean(axis=0), outcome.var(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = (outcome * there).mean(axis=0) / share
        between = share / (1.0 - share) * (inside - mean) ** 2
        told = between / variance
    return np.asarray(np.where((share >= RARE) & (share <= 1.0 - RARE) & (variance > 0.0), told, 0.0))


def _ranks(values: Floats) -> Floats:
    """Return the ranks of values (N,), those that are equal sharing theirs."""
    ordered = np.sort(values)
    return (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / 2.0
