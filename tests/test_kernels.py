"""Streams, the tournament, and what coupled clocks promise: the same bits, whatever runs beside them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import tocsin as tc
from tocsin.ensemble import simulate as simulation
from tocsin.kernels.clocks import level_offsets
from tocsin.kernels.compiled import FAN
from tocsin.kernels.layout import SPAN
from tocsin.kernels.streams import philox, uniform

STATE = tc.StateVariable("regime", ["old", "soviet", "fallen"])


def ring(count: int = 12, window: float = 30.0) -> tc.History:
    """Return units in a ring, half of which are tied to all others as well."""
    names = [f"u{k}" for k in range(count)]
    ties = {
        "layer": ["ring"] * (2 * count),
        "source": names * 2,
        "target": [names[(k + 1) % count] for k in range(count)] + [names[k - 1] for k in range(count)],
        "weight": [1.0 + 0.1 * k for k in range(count)] * 2,
    }
    return tc.History(units={"unit": names}, ties=ties, variables=[STATE], window=(0.0, window))


def model(half_life: float | None = None) -> tc.Model:
    return tc.Model(
        [STATE],
        [
            tc.Transition(
                "regime",
                "old",
                "soviet",
                tc.baseline(),
                tc.contagion("ring", "regime=soviet", half_life=half_life),
            ),
            tc.Transition("regime", "soviet", "fallen", tc.baseline()),
        ],
    )


PARAMS = np.log([0.02, 0.2, 0.1])


def test_philox_gives_the_published_answers() -> None:
    # Known answers of Philox4x32-10 (Salmon et al. 2011, the kat_vectors of Random123).
    zero, ones = np.uint64(0), np.uint64(2**64 - 1)
    assert [hex(x) for x in philox(zero, zero, zero)] == ["0xe169c58d6627e8d5", "0x9b00dbd8bc57ac4c"]
    assert [hex(x) for x in philox(ones, ones, ones)] == ["0x41c83b0e408f276d", "0x6d5451fda20bc7c6"]


def test_uniforms_lie_strictly_inside_the_unit_interval() -> None:
    draws = np.array([uniform(np.uint64(3), np.uint64(5), n) for n in range(20_000)])
    assert draws.min() > 0 and draws.max() < 1
    assert abs(draws.mean() - 0.5) < 4 * np.sqrt(1 / 12 / draws.size)


def test_levels_of_a_tournament_shrink_by_the_fan() -> None:
    offsets = level_offsets(1000)
    assert list(np.diff(offsets)) == [1008, 64, 16]
    assert all(size % FAN == 0 for size in np.diff(offsets))


@pytest.mark.parametrize("half_life", [None, 5.0])
def test_batches_and_threads_change_no_bit(half_life: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    program = model(half_life).compile(ring())
    whole = program.simulate(PARAMS, 300, 7).events
    for threads, events in (("1", 10), ("3", 50), ("2", 10**9)):
        monkeypatch.setenv("NUMBA_NUM_THREADS", threads)
        monkeypatch.setattr(simulation, "BATCH_EVENTS", events)
        assert program.simulate(PARAMS, 300, 7).events.equals(whole)
    assert program.simulate(PARAMS, 120, 7).events.equals(whole.filter(pa.compute.less(whole["world"], 120)))


def test_another_process_draws_the_same_bits(tmp_path: Path) -> None:
    here = Path(__file__).resolve().parent
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import test_kernels as t; "
        "t.model().compile(t.ring()).simulate(t.PARAMS, 50, 11).write(sys.argv[2])"
    )
    path = tmp_path / "worlds.parquet"
    environment = {**os.environ, "NUMBA_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", code, str(here), str(path)], check=True, env=environment)
    assert tc.Ensemble.read(path).events.equals(model().compile(ring()).simulate(PARAMS, 50, 11).events)


def test_worlds_do_not_depend_on_the_positions_of_units() -> None:
    """A unit that nothing reaches, with a name that sorts before all others, moves no draw."""
    base = ring()
    more = tc.History(
        units={"unit": ["a0", *base.units["unit"]]}, ties=base.ties, variables=[STATE], window=(0.0, 30.0)
    )
    wide = model().compile(more).simulate(PARAMS, 100, 3).events.to_pandas()
    wide = wide[wide["unit"] != "a0"].reset_index(drop=True)
    narrow = model().compile(base).simulate(PARAMS, 100, 3).events.to_pandas()
    for column in ("world", "time", "to", "cause"):
        assert (wide[column].astype(object) == narrow[column].astype(object)).all()
    assert (wide["unit"].astype(str) == narrow["unit"].astype(str)).all()


@pytest.mark.parametrize("null", ["scale layer ring by 1", "force u3 regime=old at 0"])
def test_a_null_intervention_changes_no_bit(null: str) -> None:
    program = model().compile(ring())
    assert program.simulate(PARAMS, 200, 5, interventions=[null]).events.equals(
        program.simulate(PARAMS, 200, 5).events
    )


def test_an_intervention_leaves_alone_what_it_does_not_reach() -> None:
    """Two rings without ties between them: a unit of one that is prevented leaves the other as it was."""
    names = [f"{side}{k}" for side in "ab" for k in range(6)]
    pairs = [(f"{side}{k}", f"{side}{(k + 1) % 6}") for side in "ab" for k in range(6)]
    history = tc.History(
        units={"unit": names},
        ties={"layer": ["ring"] * 12, "source": [a for a, _ in pairs], "target": [b for _, b in pairs]},
        variables=[STATE],
        window=(0.0, 40.0),
    )
    program = model().compile(history)

    def other(events: pa.Table) -> list[dict[str, object]]:
        return [row for row in events.to_pylist() if str(row["unit"]).startswith("b")]

    base = program.simulate(PARAMS, 100, 9).events
    changed = program.simulate(PARAMS, 100, 9, interventions=["prevent a2 regime=soviet"]).events
    assert other(base) == other(changed)
    assert not base.equals(changed)


def test_removing_ties_never_advances_an_event() -> None:
    """Monotone coupling: two states, irreversible, `while` memory, alpha = 1 (VERIFY 10)."""
    rise = tc.Model(
        [STATE],
        [tc.Transition("regime", "old", "soviet", tc.baseline(), tc.contagion("ring", "regime=soviet"))],
    )
    program = rise.compile(ring())
    with_ties = (
        program.simulate(PARAMS[:2], 300, 2)
        .first_times("regime", "soviet")
        .set_index(["world", "unit"])["time"]
    )
    without = program.simulate(PARAMS[:2], 300, 2, interventions=["remove layer ring"])
    later = without.first_times("regime", "soviet").set_index(["world", "unit"])["time"]
    assert set(later.index) <= set(with_ties.index)
    assert (later >= with_ties.loc[later.index]).all()
    assert (later > with_ties.loc[later.index]).any()


def test_a_third_state_breaks_monotone_coupling() -> None:
    """With a way out that others hasten, removing a layer lets a source stand longer: events are advanced."""
    base = ring()
    ties = base.ties.copy()
    ties["layer"] = ties["layer"].astype(str)
    ties = pd.concat([ties, ties.assign(layer="foe")], ignore_index=True)
    history = tc.History(units=base.units, ties=ties, variables=[STATE], window=(0.0, 30.0))
    program = tc.Model(
        [STATE],
        [
            tc.Transition("regime", "old", "soviet", tc.baseline(), tc.contagion("ring", "regime=soviet")),
            tc.Transition("regime", "soviet", "fallen", tc.baseline(), tc.contagion("foe", "regime=soviet")),
        ],
    ).compile(history)
    params = np.log([0.05, 0.3, 0.1, 1.0])
    times = [
        worlds.first_times("regime", "soviet").set_index(["world", "unit"])["time"]
        for worlds in (
            program.simulate(params, 400, 2),
            program.simulate(params, 400, 2, interventions=["remove layer foe"]),
        )
    ]
    shared = times[0].index.intersection(times[1].index)
    assert (times[1].loc[shared] < times[0].loc[shared] - 1e-9).any()


def dense(weight: float = 1.0) -> tc.History:
    """Return eleven units, each tied to all others in two layers; the second weighs `weight` times as much."""
    names = [f"u{k}" for k in range(11)]
    rows = [
        (layer, a, b, times * (1.0 + 0.1 * j + 0.01 * k))
        for layer, times in (("first", 1.0), ("second", weight))
        for j, a in enumerate(names)
        for k, b in enumerate(names)
        if a != b
    ]
    columns = zip(*rows, strict=True)
    ties = dict(zip(("layer", "source", "target", "weight"), columns, strict=True))
    return tc.History(units={"unit": names}, ties=ties, variables=[STATE], window=(0.0, 20.0))


def hears(falls_first: bool = False) -> tc.Model:
    """Return a model of two layers; which is laid out first follows from the order of the transitions."""
    rise = [tc.contagion(layer, "regime=soviet") for layer in ("first", "second")]
    moves = [
        tc.Transition("regime", "old", "soviet", tc.baseline(), *rise),
        tc.Transition("regime", "soviet", "fallen", tc.baseline(), tc.contagion("second", "regime=fallen")),
    ]
    return tc.Model([STATE], moves[::-1] if falls_first else moves)


def test_causes_that_are_sent_together_make_the_same_worlds() -> None:
    # Where the layers are neighbours in the order in which they are heard, one pass moves both.
    events = []
    for model, together in ((hears(), True), (hears(falls_first=True), False)):
        program = model.compile(dense())
        assert bool(program.layout.cause[:, SPAN].max() == 2) is together
        params = dict.fromkeys(program.parameter_names, -4.0)
        events.append(program.simulate(params, 200, 3).events.to_pandas())
    one, other = events
    assert len(one) > 2000 and set(one["cause"]) == {"baseline", "first", "second"}
    pd.testing.assert_frame_equal(
        one.astype({"cause": str}), other.astype({"cause": str}), check_categorical=False, rtol=1e-9
    )


def test_a_hazard_too_large_names_the_cause_within_a_pass() -> None:
    program = hears().compile(dense(1e200))
    params = dict.fromkeys(program.parameter_names, -4.0)
    params["regime: old > soviet | second | susceptibility | 1"] = np.log(1e150)
    with pytest.raises(tc.FitError, match=r"'regime: old > soviet \| second' in 'u\d+' at .* not a finite"):
        program.simulate(params, 3, 1)


def test_a_changed_kernel_file_makes_stale_all_that_import_it() -> None:
    # Numba knows of the file of a kernel alone: what a kernel takes in from elsewhere would live on.
    from tocsin.kernels import compiled, conditional_worlds, layout, streams

    def seen(file: str) -> set[str]:
        found, left = set[Path](), [Path(file)]
        while left:
            if (path := left.pop()) not in found:
                found.add(path)
                left += compiled._text_of(path)[1]
        return {path.stem for path in found}

    worlds = seen(conditional_worlds.__file__)
    # Near (imported by its own file) and far (imported by what it imports).
    assert {
        "conditional_worlds",
        "conditional_clocks",
        "record_clocks",
        "hazard",
        "layout",
        "streams",
    } <= worlds
    assert "density" not in worlds and seen(layout.__file__) == {"layout"}
    assert compiled.source_stamp(layout.__file__) != compiled.source_stamp(streams.__file__)


def test_what_is_compiled_is_said_once_and_kept(tmp_path: Path) -> None:
    kernels = tmp_path / "kernels.py"
    kernels.write_text(
        "from tocsin.kernels.compiled import entry\n@entry\ndef add(a, b):\n    return a + b\nprint(add(1, 2))\n"
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    said = []
    for _ in range(2):
        command = [sys.executable, str(kernels)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert done.stdout == "3\n"
        said.append([line for line in done.stderr.splitlines() if line.startswith("tocsin: compiling")])
    assert len(said[0]) == 1 and "done once" in said[0][0] and said[1] == []
