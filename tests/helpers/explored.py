"""Laboratories for the tests of the explorer, and a real server on a free port."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import tocsin as tc
from helpers.small_wave import wave
from tocsin.explorer.questions import Limits
from tocsin.explorer.run import Laboratory, open_laboratory

WORLDS = 200


@cache
def laboratory() -> Laboratory:
    """Return the laboratory of 1917 with few worlds, and lively ones let go on as the library does."""
    return open_laboratory("1917", limits=Limits(worlds=WORLDS, burst=1e6, swelling=1e4))


def small(**limits: Any) -> Laboratory:
    """Return a laboratory of a history without outlines, whose places are nowhere."""
    history, model = wave()
    assert hasattr(model, "model") and hasattr(model, "values")
    return Laboratory(
        "small", history, model.model, model.values, Limits(**{"worlds": 60, "burst": 1e6, **limits})
    )  # type: ignore[arg-type]


def nowhere() -> Laboratory:
    """Return a laboratory of a history whose places no map knows."""
    states = tc.StateVariable("mood", ["calm", "stirred"])
    history = tc.History(
        units={"unit": ["xx", "yy"], "label": ["Xanadu", "Ys"]},
        events={"unit": ["yy"], "variable": ["mood"], "state": ["stirred"], "time": [4.5]},
        ties={"layer": ["songs"], "source": ["xx"], "target": ["yy"]},
        variables=[states],
        window=(0.0, 10.0),
        title="Somewhere else",
    )
    heard = tc.contagion("songs", "mood=stirred")
    model = tc.Model([states], [tc.Transition("mood", "calm", "stirred", tc.baseline(), heard)])
    values = dict.fromkeys(model.compile(history).parameter_names, -2.0)
    return Laboratory("nowhere", history, model, values, Limits(worlds=60, burst=1e6))


@contextmanager
def served(app: Any, *, host: str = "127.0.0.1", **more: Any) -> Iterator[str]:
    """Serve an application on a free port of this machine as `tocsin explore` does, and yield its address."""
    import uvicorn

    from tocsin.explorer.serve import config_of

    config = config_of(app, **more)
    config.host, config.port = host, 0
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.02)
    try:
        yield f"http://{f'[{host}]' if ':' in host else host}:{server.servers[0].sockets[0].getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join(10)
