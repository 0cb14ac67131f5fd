"""Worlds drawn by a real cluster of processes: the same bits, whatever becomes of its workers."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.small_wave import UNITS, wave

import tocsin as tc
from tocsin.errors import ModelError

distributed = pytest.importorskip("distributed")

WORLDS = 300


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    place = str(tmp_path_factory.mktemp("dask"))
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            local_directory=place,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def alone() -> tc.Ensemble:
    history, given = wave()
    return given.simulate(history, WORLDS, 5)


def test_a_cluster_draws_the_same_bits(client: object, alone: tc.Ensemble, tmp_path: Path) -> None:
    history, given = wave()
    told: list[tuple[int, int]] = []
    there = given.simulate(history, WORLDS, 5, runner=client, progress=lambda *at: told.append(at))
    assert there.events.equals(alone.events)
    assert told[-1] == (WORLDS, WORLDS) and [done for done, _ in told] == sorted(done for done, _ in told)
    changed = ["remove layer border"]
    here = given.simulate(history, WORLDS, 5, changed)
    assert given.simulate(history, WORLDS, 5, changed, runner=client).events.equals(here.events)
    # A folder begun by one machine is finished by a cluster, and its files are the same.
    kept = given.simulate(history, WORLDS, 5, folder=tmp_path / "one")
    for number in range(20, 50):
        kept.parts.path(number).unlink()
    before = {path.name: path.read_bytes() for path in kept.folder.glob("part-*")}
    again = given.simulate(history, WORLDS, 5, folder=tmp_path / "one", runner=client)
    assert again.events.equals(alone.events)
    other = given.simulate(history, WORLDS, 5, folder=tmp_path / "two", runner=client)
    after = {path.name: path.read_bytes() for path in other.folder.glob("part-*")}
    assert before.items() <= after.items() and len(after) == 60


def test_a_killed_worker_loses_nothing(client: object, alone: tc.Ensemble, tmp_path: Path) -> None:
    history, given = wave()
    workers = client.run(os.getpid)
    killed: list[int] = []

    def kill(done: int, total: int) -> None:
        if done >= total // 4 and not killed:
            killed.append(next(iter(workers.values())))
            os.kill(killed[0], signal.SIGKILL)

    kept = given.simulate(history, WORLDS, 5, folder=tmp_path / "kept", runner=client, progress=kill)
    assert killed
    assert kept.events.equals(alone.events)
    there = given.simulate(history, WORLDS, 5, runner=client)
    assert there.events.equals(alone.events)


def test_what_is_wrong_is_told(client: object, tmp_path: Path) -> None:
    history, given = wave()
    hot = given.model.with_params(dict.fromkeys(given.values, 700.0))
    with pytest.raises(tc.FitError):
        hot.simulate(history, 100, 5, runner=client)
    with pytest.raises(ModelError, match=r"or a dask\.distributed Client, not str"):
        given.simulate(history, 100, 5, runner="tcp://127.0.0.1")
    given.simulate(history, 20, 5, folder=tmp_path / "kept")
    with pytest.raises(tc.TocsinError, match="another run: seed 5 there, 6 here"):
        given.simulate(history, 20, 6, folder=tmp_path / "kept", runner=client)
    few = history.select(units=UNITS[:1])
    assert given.simulate(few, 10, 5, runner=client).events.equals(given.simulate(few, 10, 5).events)
