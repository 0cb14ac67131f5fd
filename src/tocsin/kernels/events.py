"""The events of worlds as kernels write them down, and how a run ends."""

from __future__ import annotations

import numpy as np

from tocsin.kernels.jit import allocating, inlined

DONE, NOT_FINITE, ENDLESS, FULL = 0, 1, 2, 3
WRITTEN, BEGAN, UPCOMING, STATUS, CAUSE, WHO = range(6)  # of the log of a run
FORCED = -1  # the cause of an event that an intervention forces
EVENT_UNIT, EVENT_VARIABLE, EVENT_LEFT, EVENT_ENTERED, EVENT_CAUSE, EVENT_SOURCE = range(6)


@inlined
def write(times, events, event, time, i, variable, left, state, cause, source):
    """Write an event down, in place `event`."""
    times[event] = time
    events[event, EVENT_UNIT], events[event, EVENT_VARIABLE] = i, variable
    events[event, EVENT_LEFT], events[event, EVENT_ENTERED] = left, state
    events[event, EVENT_CAUSE], events[event, EVENT_SOURCE] = cause, source


@allocating
def longer(times, events, done, worlds):
    """Return at least twice the room for events, or what all worlds will need if they are like those done."""
    size = times.size
    wanted = 2 * size
    if done > 0:
        wanted = max(wanted, size * worlds // done + size * worlds // (16 * done))
    more, wider = np.empty(wanted), np.empty((wanted, 6), dtype=np.int32)
    more[:size], wider[:size] = times, events
    return more, wider
