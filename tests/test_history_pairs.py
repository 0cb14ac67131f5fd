"""Many ties are put in order by counting: the history is the same as by sorting keys, and so are its faults."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import tocsin as tc
from tocsin.history import assemble

UNITS = 60


def ties(seed: int, layers: int, *, weighted: bool, sorted_rows: bool = False) -> dict[str, Any]:
    """Return distinct ties in any order; some units send to nobody."""
    rng = np.random.default_rng(seed)
    pairs = rng.permutation(layers * UNITS * UNITS)[: layers * UNITS * 20]
    if sorted_rows:
        pairs = np.sort(pairs)
    layer, source, target = np.unravel_index(pairs, (layers, UNITS, UNITS))
    names = np.array([f"u{number:02d}" for number in range(UNITS)])
    table = {
        "layer": np.array(["border", "party", "press"])[layer],
        "source": names[source],
        "target": names[target],
    }
    if weighted:
        table |= {
            "weight": rng.exponential(1.0, pairs.size),
            "note": [f"row {row}" for row in range(pairs.size)],
        }
    return table


def history(table: dict[str, Any] | pa.Table) -> tc.History:
    """Return a history of these ties; its units stand in no order, and one has no ties."""
    names = [f"u{number:02d}" for number in reversed(range(UNITS))]
    return tc.History(
        units={"unit": [*names, "alone"]},
        ties=table,
        variables=[tc.StateVariable("s", ["S", "I"])],
        window=(0.0, 1.0),
    )


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("sorted_rows", [False, True])
def test_counting_sorts_as_keys_do(
    monkeypatch: pytest.MonkeyPatch, layers: int, weighted: bool, sorted_rows: bool
) -> None:
    table = ties(7, layers, weighted=weighted, sorted_rows=sorted_rows)
    by_keys = history(table)
    monkeypatch.setattr(assemble, "MANY_TIES", 1)
    counted = history(table)
    assert counted.table("ties").equals(by_keys.table("ties"))
    assert counted == by_keys
    # A dictionary of the units' own names, in another order and with names that no row has.
    names = pa.array([*sorted(set(table["source"]) | set(table["target"])), "alone"])
    coded = pa.table(table)
    for column in ("source", "target"):
        codes = pa.compute.index_in(coded.column(column), names).combine_chunks()
        coded = coded.set_column(
            coded.column_names.index(column), column, pa.DictionaryArray.from_arrays(codes, names)
        )
    assert history(coded) == by_keys


def test_a_history_is_not_what_its_frame_becomes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assemble, "MANY_TIES", 1)
    codes = np.zeros(2, np.int32), np.array([0, 1], np.int32), np.array([1, 0], np.int32)
    names = pa.array(["a", "b"])
    layer, source, target = (pa.DictionaryArray.from_arrays(pa.array(each), names) for each in codes)
    made = tc.History(
        units={"unit": ["a", "b"]},
        ties=pa.table({"layer": layer, "source": source, "target": target}),
        variables=[tc.StateVariable("s", ["S", "I"])],
        window=(0.0, 1.0),
    )
    codes[2][:] = 0
    assert made.ties["target"].tolist() == ["b", "a"]


def test_faults_are_those_of_few_ties(monkeypatch: pytest.MonkeyPatch) -> None:
    def faults(table: dict[str, Any]) -> list[str]:
        with pytest.raises(tc.HistoryError) as caught:
            history(table)
        return [str(problem) for problem in caught.value.problems]

    twice = ties(3, 2, weighted=True)
    twice["target"][5], twice["source"][5], twice["layer"][5] = (
        twice["target"][9],
        twice["source"][9],
        twice["layer"][9],
    )
    strange = ties(3, 2, weighted=False)
    strange["target"][7], strange["source"][8] = "u99", ""
    expected = [faults(twice), faults(strange)]
    assert all(expected)
    monkeypatch.setattr(assemble, "MANY_TIES", 1)
    assert [faults(twice), faults(strange)] == expected
