"""The exact likelihood of events in spans, where no hazard of another unit hears of them.

Then the units with spans are apart from each other, and the likelihood is a product: that of all other units, and for
each open unit the probability of what its record says. Every *stage* in which it may stand (which of its events have
happened) is followed as a unit of its own by the sweeps, which give the hazards of all transitions in it from piece to
piece of time; `kernels.stages.follow` sums over the courses through the stages. Where a memory fades within a piece,
the hazard's mean over the piece stands for it, and pieces in which several stages can be held are made short.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.history.arrays import CovariateArrays, TieArrays
from tocsin.history.spans import precedence
from tocsin.kernels.layout import AGE, DECAYS, NO_AGE, SOURCE, TRANSITION
from tocsin.kernels.stages import Course, follow
from tocsin.model.declaration import Contagion
from tocsin.program.cause import CauseData
from tocsin.program.grouped import counted, is_grouped
from tocsin.program.likelihood import Likelihood
from tocsin.program.parameters import places_in
from tocsin.program.spans.open_times import without_spans
from tocsin.states import parse_clause

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.program.cause import Elements
    from tocsin.program.program import Program

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

MOST_STAGES = 64  # of one unit

SHORT = 48  # pieces of a span in which a memory fades


@dataclass(frozen=True)
class _Unit:
    """The stages of one open unit, and the moves between them."""

    unit: int
    state: list[int]
    low: list[float]
    high: list[float]
    move: list[tuple[int, int, int]]
    span: list[tuple[float, float, float]]
    known: list[bool]


def open_events(program: Program) -> Ints:
    """Return which of the events that the model speaks of have open times (positions among them)."""
    spans = program.spans
    assert spans is not None
    return np.flatnonzero(~spans.known)


def heard_abroad(program: Program) -> bool:
    """Say whether the open times enter hazards of other units, or ages that are counted from them: a source side speaks
    of their variables, or a transition that sees ages moves them."""
    names = program.joint.names
    moved = {names[program.observer.variable[event]] for event in open_events(program)}
    if any(moved & set(parse_clause(x.clause, program.model.by_name)) for x in program.exposures.listed):
        return True
    for (move, cause), row in zip(program.causes, program.opening.cause, strict=True):
        if row[AGE] != NO_AGE and move.variable in moved:
            return True
        if not isinstance(cause, Contagion):
            continue
        heard = set(parse_clause(cause.when, program.model.by_name))
        if row[SOURCE] >= 0:
            heard |= set(program.designs[row[SOURCE]].uses)
        if heard & moved:
            return True
    return False


def stages_of(program: Program) -> list[_Unit] | None:
    """Return the stages of every open unit; None where they are too many or two known events share an instant."""
    spans, seen, numbers = program.spans, program.observer, program.history.numbers
    assert spans is not None
    grouped = is_grouped(program.history)
    if grouped and counted(program).any():  # they may come more than once in a period
        return None
    after = program.opening.after
    pairs = precedence(spans, seen.unit, seen.variable)
    earlier: dict[int, set[int]] = {}
    for a, b in pairs:
        earlier.setdefault(b, set()).add(a)
    high = spans.high + seen.late
    begin = spans.low + seen.late - float(grouped)  # where a period begins
    found = []
    for unit in np.unique(seen.unit[~spans.known]).tolist():
        rows = np.flatnonzero((seen.unit == unit) & (high > numbers.enter[unit]))
        chains = [rows[seen.variable[rows] == v].tolist() for v in np.unique(seen.variable[rows])]
        if grouped and len(chains) > 1:
            return None
        known = [float(high[row]) for row in rows if spans.known[row]]
        if len(set(known)) < len(known):
            return None
        one = _walk(program, unit, chains, begin, high, earlier, grouped, after)
        if one is None:
            return None
        found.append(one)
    return found


def _walk(
    program: Program,
    unit: int,
    chains: list[list[int]],
    begin: Floats,
    high: Floats,
    earlier: dict[int, set[int]],
    grouped: bool,
    after: NDArray[np.int32],
) -> _Unit | None:
    spans, seen, joint, numbers = program.spans, program.observer, program.joint, program.history.numbers
    assert spans is not None
    enter, leave = float(numbers.enter[unit]), float(numbers.exit[unit])
    first = (0,) * len(chains)
    place = {first: 0}
    queue = [first]
    everything = {row for chain in chains for row in chain}
    one = _Unit(unit, [int(program.opening.state[unit])], [], [], [], [], [])

    def window(stage: tuple[int, ...]) -> tuple[float, float]:
        done = [chain[k - 1] for chain, k in zip(chains, stage, strict=True) if k]
        waits = [chain[k] for chain, k in zip(chains, stage, strict=True) if k < len(chain)]
        # A move of period k leads at its end to what may be held from then on: one step takes both into account.
        least = [float(begin[row]) for row in done]
        return max([enter, *least]), min([leave, *(float(high[row]) for row in waits)])

    one.low.append(window(first)[0])
    one.high.append(window(first)[1])
    while queue:
        stage = queue.pop(0)
        number = place[stage]
        done = {row for chain, k in zip(chains, stage, strict=True) for row in chain[:k]}
        for c, chain in enumerate(chains):
            if stage[c] == len(chain):
                continue
            row = chain[stage[c]]
            if not (earlier.get(row, set()) & everything) <= done:
                continue
            v, to = int(seen.variable[row]), int(seen.state[row])
            state = one.state[number]
            left = (state // joint.strides[v]) % joint.sizes[v]
            k = int(seen.explains[v, left, to])
            if k >= 0 and after[k, state] < 0:
                continue
            new = tuple(x + (i == c) for i, x in enumerate(stage))
            low, end = window(new)
            final = all(x == len(chain) for x, chain in zip(new, chains, strict=True))
            if low >= end and not final:
                continue
            if new not in place:
                place[new] = len(place)
                queue.append(new)
                one.state.append(int(state + (to - left) * joint.strides[v]))
                one.low.append(low)
                one.high.append(max(end, low))
                if len(place) > MOST_STAGES:
                    return None
            exact = bool(spans.known[row]) and not grouped
            if exact and one.high[number] < high[row]:
                continue
            length = float(high[row] - begin[row])
            one.move.append((number, place[new], k))
            one.span.append((float(begin[row]), float(high[row]), 1.0 if exact else 1.0 / length))
            one.known.append(exact)
    # The stage in which all has happened stands last.
    last = place.get(tuple(len(chain) for chain in chains))
    if last is None:
        return None
    order = [s for s in range(len(place)) if s != last] + [last]
    rank = {s: r for r, s in enumerate(order)}
    return _Unit(
        unit,
        [one.state[s] for s in order],
        [one.low[s] for s in order],
        [one.high[s] for s in order],
        [(rank[a], rank[b], k) for a, b, k in one.move],
        one.span,
        one.known,
    )


def _followed(program: Program, units: list[_Unit]) -> Program:
    """Return a program in which every stage of the open units is a unit of its own, after all others."""
    from tocsin.program.compile import join

    numbers = program.history.numbers
    count = len(numbers.units)
    own = np.repeat([u.unit for u in units], [len(u.state) for u in units]).astype(np.int64)
    who = np.concatenate([np.arange(count), own])
    enter = np.concatenate([numbers.enter, *[u.low for u in units]])
    leave = np.concatenate([numbers.exit, *[u.high for u in units]])
    names = (*numbers.units, *(f"{numbers.units[u]}\x1f{x}" for x, u in enumerate(own)))
    copies: dict[int, list[int]] = {}
    for x, u in enumerate(own.tolist()):
        copies.setdefault(u, []).append(count + x)
    ties = {}
    for layer, rows in numbers.ties.items():
        mine = np.flatnonzero(np.isin(rows.target, own))
        times = np.array([len(copies[int(u)]) for u in rows.target[mine]], dtype=np.int64)
        take = np.concatenate([np.arange(rows.target.size), np.repeat(mine, times)])
        more = [x for u in rows.target[mine].tolist() for x in copies[u]]
        target = np.concatenate([rows.target, np.array(more, dtype=np.int32)]).astype(np.int32)
        ties[layer] = TieArrays(
            rows.source[take], target, rows.weight[take], rows.start[take], rows.end[take]
        )
    nothing = CovariateArrays(np.empty(0, np.int32), *[np.empty(0)] * 3)  # the designs are known already
    wider = replace(
        numbers,
        units=names,
        unit_index={name: x for x, name in enumerate(names)},
        enter=enter,
        exit=leave,
        initial={name: codes[who] for name, codes in numbers.initial.items()},
        static={name: values[who] for name, values in numbers.static.items()},
        covariates=dict.fromkeys(numbers.covariates, nothing),
        ties=ties,
        spans=None,
    )  # fmt: skip
    history = _altered(program.history, wider)
    joined = join(program.model, history, program, who=who)
    state = joined.opening.state.copy()
    state[count:] = np.concatenate([u.state for u in units])
    return replace(joined, opening=joined.opening._replace(state=state))


def _altered(history: Any, numbers: Any) -> Any:
    import copy

    other = copy.copy(history)
    other.__dict__.update(numbers=numbers, digest=f"{history.digest} followed")
    return other


class StagesLikelihood(Likelihood):
    """The exact log-likelihood of a program with open times, with its derivatives.

    Its causes are those of the program with every open event at one time of its span: what searches begin with.
    """

    error = 0.0

    def __init__(self, program: Program, units: list[_Unit]) -> None:
        base = without_spans(program)
        self.program, self.base = program, base.likelihood
        self.causes, self.groups = self.base.causes, self.base.groups
        self.known, self._stacks, self.hawkes = None, {}, {}
        self.counted = list(range(len(self.causes)))
        aside = np.zeros(len(program.history.numbers.units), dtype=bool)
        aside[[u.unit for u in units]] = True
        self.closed = replace(base, aside=aside).likelihood
        self.units = units
        self.grouped = is_grouped(program.history)
        self.wide = _followed(base, units)
        self.own = [CauseData(self.wide, number) for number in range(len(program.causes))]
        self.first = len(program.history.numbers.units)
        self._lay_out()

    def of_scale(self, program: Program) -> StagesLikelihood:
        """Return the likelihood of the same record with terms on the scale of another program."""
        return StagesLikelihood(program, self.units)

    def thinned(self) -> Likelihood | None:
        """Return None: what is open is looked at whole."""
        return None

    # --- pieces of time ---------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        units = self.units
        stage_first = np.concatenate([[0], np.cumsum([len(u.state) for u in units])]).astype(np.int64)
        low = np.concatenate([u.low for u in units]).astype(np.float64)
        high = np.concatenate([u.high for u in units]).astype(np.float64)
        owner = np.repeat(np.arange(len(units)), np.diff(stage_first))
        middle = np.zeros(len(self.program.parameter_names))
        start, end = self.program.opening.window
        for slots in self.program.slots:
            if slots.half_life >= 0:
                middle[slots.half_life] = np.log((end - start) / 4)
        cuts: list[tuple[Any, Any]] = [(owner, low), (owner, high)]
        fading = bool(self.program.opening.cause[:, DECAYS].any())
        for cause in self.own:
            swept = cause.swept(cause.shape(middle)[0], keep=True)
            mine = swept.unit >= self.first
            own = owner[swept.unit[mine] - self.first]
            cuts += [(own, swept.time[mine]), (own, swept.time[mine] + swept.span[mine])]
        if self.grouped:
            for number, u in enumerate(units):
                whole = np.arange(np.floor(min(u.low)), np.ceil(max(u.high)) + 1)
                cuts.append((np.full(whole.size, number), whole))
        elif fading:
            for number, u in enumerate(units):
                for span, known in zip(u.span, u.known, strict=True):
                    if not known:
                        fine = np.linspace(span[0], span[1], SHORT + 1)
                        cuts.append((np.full(fine.size, number), fine))
        unit = np.concatenate([each[0] for each in cuts])
        time = np.concatenate([each[1] for each in cuts])
        lowest = np.array([min(u.low) for u in units])
        highest = np.array([max(u.high) for u in units])
        inside = (time >= lowest[unit]) & (time <= highest[unit])
        keys = np.unique(unit[inside] + 1j * time[inside])
        unit, time = keys.real.astype(np.int64), keys.imag
        same = unit[1:] == unit[:-1]
        begin, finish, of = time[:-1][same], time[1:][same], unit[:-1][same]
        piece_first = np.searchsorted(of, np.arange(len(units) + 1)).astype(np.int64)
        sizes = np.diff(stage_first)[of]
        cell = np.concatenate([[0], np.cumsum(sizes)])[:-1].astype(np.int64)
        moves = [move for u in units for move in u.move]
        count = len(self.program.model.transitions)
        variable = self.program.opening.transition[:, 0]
        self.owner, self.of = owner, of
        self.cells = int(sizes.sum())
        self.stage_first = stage_first
        self.course = Course(
            stage_first,
            low,
            high,
            piece_first,
            begin,
            finish,
            cell,
            np.concatenate([[0], np.cumsum([len(u.move) for u in units])]).astype(np.int64),
            np.array(moves, dtype=np.int32).reshape(-1, 3),
            np.array([span for u in units for span in u.span], dtype=np.float64).reshape(-1, 3),
            np.array([k for u in units for k in u.known], dtype=np.uint8),
            (variable[:, None] == variable[None, :]).astype(np.uint8).reshape(count, count),
        )
        self._cut: dict[tuple[int, float], tuple[Any, ...]] = {}
        # Known moves that are explained: the stage before, as a unit of the wide program, and the instant.
        mover = np.repeat(np.arange(len(units)), [len(u.move) for u in units])
        self.jumps = np.flatnonzero((self.course.known > 0) & (self.course.move[:, 2] >= 0))
        self.jump_stage = stage_first[mover[self.jumps]] + self.course.move[self.jumps, 0]
        self.jump_time = self.course.span[self.jumps, 1]

    def _pieces(self, number: int, decay: float) -> tuple[Any, ...]:
        """Return the stretches of a cause cut into pieces, with the cell of each, and its hazards at known moves."""
        if (number, decay) in self._cut:
            return self._cut[number, decay]
        cause, course = self.own[number], self.course
        swept = cause.swept(decay, keep=True)
        mine = np.flatnonzero(swept.unit >= self.first)
        stage = swept.unit[mine] - self.first
        u = self.owner[stage]
        keys = self.of + 1j * course.begin
        begin, finish = swept.time[mine], swept.time[mine] + swept.span[mine]
        low = np.searchsorted(keys, u + 1j * begin, side="left")
        high = np.searchsorted(keys, u + 1j * finish, side="left")
        count = np.maximum(high - low, 0)
        stretch = np.repeat(np.arange(mine.size), count)
        piece = low[stretch] + places_in(count)
        cell = course.cell[piece] + stage[stretch] - self.stage_first[u[stretch]]
        gone = course.begin[piece] - begin[stretch]
        width = course.end[piece] - course.begin[piece]
        row, exposure = swept.row[mine[stretch]], swept.exposure[mine[stretch]]
        if self.grouped and decay > 0.0:  # what held at the start of a period
            gone, width = gone + 1.0, width  # an entry has age 1 at the start of the next period
        exposure = _aged(exposure, gone, decay)
        # The stretch that ends at the instant of a known move.
        wanted = {
            (int(s), float(t)): x
            for x, (s, t) in enumerate(zip(self.jump_stage, self.jump_time, strict=True))
        }
        at, which = [], []
        for x, (s, t) in enumerate(zip(stage.tolist(), finish.tolist(), strict=True)):
            if (s, t) in wanted:
                at.append(x)
                which.append(wanted[s, t])
        place = mine[np.array(at, dtype=np.int64)]
        moved = _aged(swept.exposure[place], swept.span[place], decay)
        fits = (
            self.course.move[self.jumps[np.array(which, dtype=np.int64)], 2]
            == self.program.opening.cause[number, TRANSITION]
        )
        which_array = np.array(which, dtype=np.int64)[fits]
        result = row, exposure, width, cell, swept.row[place][fits], moved[fits], which_array
        if len(self._cut) > 4 * len(self.own):
            self._cut.clear()
        self._cut[number, decay] = result
        return result

    # --- the likelihood ---------------------------------------------------------------------------------

    def _open(self, vector: Floats, slopes: bool) -> tuple[Floats, Floats]:
        """Return the log-probability of each open unit's record, and the gradient by unit (units, P)."""
        moves = len(self.program.model.transitions)
        hazard = np.zeros((self.cells, moves))
        jump = np.where(self.course.move[:, 2] >= 0, 0.0, 1.0)
        parts: list[tuple[CauseData, int, Elements, Any, Elements, Any]] = []
        for number, cause in enumerate(self.own):
            k = int(self.program.opening.cause[number, TRANSITION])
            decay, _ = cause.shape(vector)
            row, exposure, width, cell, jump_row, jump_exposure, which = self._pieces(number, decay)
            span = width if not (self.grouped and decay > 0.0) else None
            elements = cause.elements(vector, row, exposure, span, True, int(slopes))
            hazard[:, k] += np.bincount(cell, elements.value, minlength=self.cells)
            at = cause.elements(vector, jump_row, jump_exposure, None, True, int(slopes))
            np.add.at(jump, self.jumps[which], at.value)
            parts.append((cause, k, elements, cell, at, which))
        value, by_hazard, by_jump = follow(self.course, hazard, jump, self.grouped, slopes)
        gradient = np.zeros((len(self.units) if slopes else 0, vector.size))
        if slopes:
            unit_of_cell = np.repeat(self.of, np.diff(self.stage_first)[self.of])
            mover = np.repeat(np.arange(len(self.units)), np.diff(self.course.move_first))
            for cause, k, elements, cell, at, which in parts:
                weight = by_hazard[cell, k] * elements.value
                positions = np.array(cause.positions)
                np.add.at(
                    gradient, (unit_of_cell[cell][:, None], positions), weight[:, None] * elements.slope
                )
                if which.size:
                    moved = self.jumps[which]
                    share = by_jump[moved] * at.value / np.where(jump[moved] > 0, jump[moved], 1.0)
                    np.add.at(gradient, (mover[moved][:, None], positions), share[:, None] * at.slope)
        return value, gradient

    def _compute(self, vector: Floats, order: int) -> tuple[float, Floats, Floats]:
        value, gradient, hessian = self.closed._compute(vector, order)
        own, slopes = self._open(vector, order >= 1)
        whole = value + float(own.sum())
        if not np.isfinite(whole):
            return -np.inf, gradient, hessian
        if order >= 1:
            gradient = gradient + slopes.sum(axis=0)
        if order == 2:
            hessian = hessian + self._bend(vector)
        return whole, gradient, hessian

    def _bend(self, vector: Floats) -> Floats:
        """Return the Hessian of the open units' part: differences of its exact gradient.

        Along directions in which each term is centred and scaled, so that where a covariate has its zero costs no
        digits.
        """
        size = vector.size
        basis = np.eye(size)
        for cause in self.own:
            terms = list(cause.slots.target)
            matrix = cause.matrix
            if not terms or not matrix.size:
                continue
            mean, spread = matrix.mean(axis=0), matrix.std(axis=0)
            constant = [x for x in range(len(terms)) if spread[x] == 0.0 and mean[x] != 0.0]
            for x, position in enumerate(terms):
                if spread[x] > 0.0:
                    basis[:, position] /= spread[x]
                    if constant:
                        basis[terms[constant[0]], position] = -mean[x] / mean[constant[0]] / spread[x]
        free = np.isfinite(vector)
        turned = np.zeros((size, size))
        for position in np.flatnonzero(free).tolist():
            step = np.where(free, 1e-4 * basis[:, position], 0.0)
            up, down = (
                self._open(np.where(free, vector + by * step, vector), True)[1].sum(axis=0)
                for by in (1.0, -1.0)
            )
            turned[:, position] = basis.T @ np.where(np.isfinite(up - down), up - down, 0.0) / 2e-4
        turned = (turned + turned.T) / 2.0
        back = np.linalg.inv(basis)
        result = back.T @ turned @ back
        result[~free, :] = result[:, ~free] = 0.0
        return np.asarray(result)

    def unit_scores(self, vector: Floats) -> Floats:
        """Return the gradient of each unit's own part of the log-likelihood (N, P)."""
        result = self.closed.unit_scores(vector)
        result[[u.unit for u in self.units]] += self._open(vector, True)[1]
        return result


def _aged(moments: Floats, gone: Floats, decay: float) -> Floats:
    """Return exposures, with their moments in age, some time later."""
    if decay == 0.0 or not moments.size:
        return moments
    moments, past = moments.copy(), gone[:, None]
    if moments.shape[2] == 3:
        moments[:, :, 2] += past * (2.0 * moments[:, :, 1] + past * moments[:, :, 0])
        moments[:, :, 1] += past * moments[:, :, 0]
    moments *= np.exp(-decay * gone)[:, None, None]
    return moments
