"""The kernels against the readable twin at length: `tests/test_twin_agrees.py` with many more, and larger, cases."""

from __future__ import annotations

import pytest
from helpers.drawn import Sizes, build
from test_twin_agrees import CHECKS, HealthCheck, given, same_worlds, settings, st

# Each batch is a plain range of seeds: what fails can be built again by its number alone.
BATCHES = [range(start, start + 100) for start in range(0, 1000, 100)]


@pytest.mark.parametrize("batch", BATCHES, ids=lambda batch: f"{batch.start}-{batch.stop - 1}")
@pytest.mark.parametrize("check", [name for name in CHECKS if name != "worlds"])
def test_kernels_agree_with_the_twin(check: str, batch: range) -> None:
    for seed in batch:
        sizes = Sizes(
            units=2 + seed % 5, variables=1 + seed % 3, layers=1 + seed % 2, moves=1 + seed % 4, causes=2,
            terms=2, events=10 + seed % 31, ties=3 + seed % 10, rows=3,
        )  # fmt: skip
        CHECKS[check](build(sizes, seed % 2 == 0, seed), seed)


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(2, 6), st.integers(1, 3), st.integers(1, 3), st.booleans(), st.integers(0, 2**32 - 1))
def test_worlds_agree_with_the_twin(units: int, variables: int, layers: int, dated: bool, seed: int) -> None:
    sizes = Sizes(units, variables, layers, moves=3, causes=2, terms=2, events=20, ties=8, rows=3)
    same_worlds(build(sizes, dated, seed), seed, worlds=5)
