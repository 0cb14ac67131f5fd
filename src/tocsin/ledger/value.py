"""What the worlds of an ensemble make of a ledger: when conditions hold, what is staked and what returns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tocsin.ensemble.expected_effect import expected_share
from tocsin.ensemble.spells import codes_of, steps_of, wilson
from tocsin.errors import ModelError, suggestion
from tocsin.ledger.ledger import Clause, Ledger, Stock, Treaty
from tocsin.ledger.problems import PLACE, split_condition
from tocsin.states import parse_clause

if TYPE_CHECKING:
    from tocsin.ensemble.ensemble import Ensemble
    from tocsin.ensemble.frame import Frame

Floats = NDArray[np.float64]


class Held(NamedTuple):
    """The times (start, end] at which a condition holds: world, start, end, unit, and whether from entry."""

    world: NDArray[np.int64]
    start: Floats
    end: Floats
    unit: NDArray[np.int64]
    entry: NDArray[np.bool_]


# --- when a condition holds -----------------------------------------------------------------------------


def held(ensemble: Ensemble, condition: str, place: str | None = None) -> Held:
    """Return when a condition about one of several units holds in each world."""
    units, clause = split_condition(condition)
    parts = [
        _held_by(ensemble, place if name == PLACE else name, clause)
        for name in units
        if name != PLACE or place is not None
    ]
    return Held(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _held_by(ensemble: Ensemble, name: str | None, clause: str) -> Held:
    frame = ensemble.frame
    number = frame.units.index(str(name))
    wanted = parse_clause(clause, {variable.name: variable for variable in frame.variables})
    worlds = ensemble.worlds
    everyone = np.arange(worlds)
    # Each term that is satisfied counts one; the condition holds while all are.
    world, time, step = [everyone], [np.full(worlds, frame.enter[number])], []
    before = 0
    for variable, states in wanted.items():
        moves = ensemble._moves(variable)
        for state in sorted(states):
            before += int(frame.initial[variable][number] == frame.code(variable, state))
            w, u, t, sign = steps_of(moves, frame, variable, state)
            mine = u == number
            world.append(w[mine])
            time.append(t[mine])
            step.append(sign[mine].astype(np.int64))
    steps = np.concatenate([np.full(worlds, before), *step])
    worlds_of, times = np.concatenate(world), np.concatenate(time)
    order = np.lexsort((times, worlds_of))
    worlds_of, times, steps = worlds_of[order], times[order], steps[order]
    first = np.append(True, worlds_of[1:] != worlds_of[:-1]) if worlds else np.zeros(0, bool)
    total = np.cumsum(steps)
    # Sums run on over worlds: each world's own begin anew.
    base = np.repeat((total - steps)[first], np.diff(np.append(np.flatnonzero(first), len(first))))
    count = total - base
    end = np.append(times[1:], np.inf)
    last = np.append(first[1:], True) if worlds else first
    end[last] = frame.exit[number]
    good = np.flatnonzero((count == len(wanted)) & (end > times))
    return _joined(Held(worlds_of[good], times[good], end[good], np.full(good.size, number), first[good]))


def _joined(parts: Held) -> Held:
    """Return intervals with those joined that follow without a break (a move within the states wanted)."""
    begins = np.ones(len(parts.world), dtype=bool)
    begins[1:] = (parts.world[1:] != parts.world[:-1]) | (parts.start[1:] != parts.end[:-1])
    ends = np.append(begins[1:], True) if len(begins) else begins
    return Held(
        parts.world[begins], parts.start[begins], parts.end[ends], parts.unit[begins], parts.entry[begins]
    )


def _signed(ledger_treaty: Treaty, ensemble: Ensemble) -> Floats:
    """Return when a treaty is made in each world, NaN where it is not."""
    frame = ensemble.frame
    if ledger_treaty.when is None:
        return np.full(ensemble.worlds, frame.to_number(ledger_treaty.at))
    spans = held(ensemble, ledger_treaty.when)
    result = np.full(ensemble.worlds, np.nan)
    if ledger_treaty.at is None:
        first = np.full(ensemble.worlds, np.inf)
        np.minimum.at(first, spans.world, spans.start)
        result = np.where(np.isinf(first), np.nan, first)
    else:
        at = frame.to_number(ledger_treaty.at)
        now = ((spans.start < at) | (spans.entry & (spans.start == at))) & (spans.end >= at)
        result[spans.world[now]] = at
    return result


def limit_of(frame: Frame, when: Any) -> float:
    """Return the end of a day: what is dated that day comes before it; a number is its own end."""
    return frame.to_number(when) + 1.0 if frame.dated else float(np.nextafter(frame.to_number(when), np.inf))


class Returned(NamedTuple):
    """When a clause comes true in each world (inf: never), and where and when its condition came to hold."""

    time: Floats
    unit: NDArray[np.int64]
    since: Floats


def _comes_true(clause: Clause, ensemble: Ensemble, signed: Floats, place: str | None) -> Returned:
    frame, worlds = ensemble.frame, ensemble.worlds
    unit, start = np.full(worlds, -1, dtype=np.int64), np.full(worlds, np.nan)
    if clause.when is None:
        at = frame.to_number(clause.at)
        return Returned(np.where(signed <= at, at, np.inf), unit, start)
    spans = held(ensemble, clause.when, place)
    since = np.maximum(spans.start, signed[spans.world])
    true_at = since + clause.lasting
    good = (true_at <= spans.end) & (since < spans.end) & ~np.isnan(true_at)
    if clause.at is not None:
        limit = min(limit_of(frame, clause.at), frame.end)
        good &= (true_at < limit) & (spans.end >= limit)
    elif clause.by is not None:
        good &= true_at < limit_of(frame, clause.by)
    time = np.full(worlds, np.inf)
    np.minimum.at(time, spans.world[good], true_at[good])
    earliest = np.flatnonzero(good)[true_at[good] == time[spans.world[good]]]
    unit[spans.world[earliest]] = spans.unit[earliest]
    # What held before the treaty came by no event after it.
    fresh = earliest[spans.start[earliest] >= signed[spans.world[earliest]]]
    start[spans.world[fresh]] = spans.start[fresh]
    return Returned(time, unit, start)


# --- the value of each world ----------------------------------------------------------------------------


def value(ledger: Ledger, ensemble: Ensemble) -> pd.DataFrame:
    """Value every world of an ensemble; see `Ledger.value`."""
    ledger.check(ensemble.frame)
    return ensemble._stacked(lambda piece: _value(ledger, piece))


def _value(ledger: Ledger, ensemble: Ensemble) -> pd.DataFrame:
    frame, worlds = ensemble.frame, ensemble.worlds
    rows = [(stock, treaty) for treaty in ledger.treaties for stock in _moved(ledger, treaty)]
    count = len(rows)
    shape = (worlds, count)
    signed, time, since = np.full(shape, np.nan), np.full(shape, np.inf), np.full(shape, np.nan)
    way, unit = np.full(shape, -1, dtype=np.int64), np.full(shape, -1, dtype=np.int64)
    made = {treaty.name: _signed(treaty, ensemble) for treaty in ledger.treaties}
    known: dict[tuple[str, str, str | None], Returned] = {}
    for column, (stock, treaty) in enumerate(rows):
        signed[:, column] = made[treaty.name]
        for number, clause in enumerate(ledger.clauses):
            if clause.stocks and stock.name not in clause.stocks:
                continue
            place = stock.place if clause.placed else None
            key = (clause.name, treaty.name, place)
            if key not in known:
                known[key] = _comes_true(clause, ensemble, made[treaty.name], place)
            sooner = known[key].time < time[:, column]
            time[sooner, column] = known[key].time[sooner]
            since[sooner, column] = known[key].since[sooner]
            unit[sooner, column] = known[key].unit[sooner]
            way[sooner, column] = number
    staked, back = ~np.isnan(signed), np.isfinite(time)
    world = np.repeat(np.arange(worlds), count)
    row_of = np.tile(np.arange(count), worlds)
    amounts = {
        "": np.array([stock.amount for stock, _ in rows], dtype=np.float64),
        "_low": np.array([stock.low for stock, _ in rows], dtype=np.float64),
        "_high": np.array([stock.high for stock, _ in rows], dtype=np.float64),
    }
    table: dict[str, Any] = {
        "world": world,
        "stock": _words(row_of, [stock.name for stock, _ in rows]),
        "place": _words(row_of, [stock.place for stock, _ in rows]),
        "measure": _words(row_of, [stock.measure for stock, _ in rows]),
        "treaty": _words(row_of, [treaty.name for _, treaty in rows]),
    }
    for ending, amount in amounts.items():
        table[f"staked{ending}"] = np.where(staked, amount, 0.0).ravel()
    table["signed"] = signed.ravel()
    for ending, amount in amounts.items():
        table[f"returned{ending}"] = np.where(back, amount, 0.0).ravel()
    table["returned_at"] = np.where(back, time, np.nan).ravel()
    if frame.dated:
        table["signed_on"] = ensemble._as_times(table["signed"])
        table["returned_on"] = ensemble._as_times(table["returned_at"])
    table["way"] = pd.Categorical.from_codes(
        way.ravel(), pd.Index([clause.name for clause in ledger.clauses], dtype=object)
    )
    table["cause"] = _causes(ensemble, world, unit.ravel(), since.ravel())
    holders = [stock.holder for stock, _ in rows] + [treaty.taker for _, treaty in rows]
    table["holder"] = _words(
        np.where(staked & ~back, np.arange(count) + count, np.arange(count)).ravel(), holders
    )
    return pd.DataFrame(table)


def _moved(ledger: Ledger, treaty: Treaty) -> list[Stock]:
    return [stock for stock in ledger.stocks if stock.name in treaty.stocks]


def _words(codes: NDArray[np.int64], names: list[Any]) -> pd.Categorical:
    distinct = [name for name in dict.fromkeys(names) if name is not None]
    code = np.array([-1 if name is None else distinct.index(name) for name in names] or [-1])
    return pd.Categorical.from_codes(code[codes], pd.Index(distinct, dtype=object))


def _causes(
    ensemble: Ensemble, world: NDArray[np.int64], unit: NDArray[np.int64], since: Floats
) -> pd.Categorical:
    """Return the cause of the event of each (world, unit, time), missing where there is no such event."""
    events = ensemble.events
    used = np.unique(unit[unit >= 0])
    names = sorted({name for name in events["cause"].unique().to_pylist() if name is not None})
    units = codes_of(events["unit"], ensemble.frame.units)
    kept = np.flatnonzero(np.isin(units, used))
    key = pd.MultiIndex.from_arrays(
        [events["world"].to_numpy()[kept], units[kept], events["time"].to_numpy()[kept]]
    )
    code = pd.Series(codes_of(events["cause"], names)[kept], index=key)
    code = code[~code.index.duplicated()]
    asked = np.flatnonzero(~np.isnan(since))
    found = np.full(len(world), -1, dtype=np.int64)
    wanted = pd.MultiIndex.from_arrays([world[asked], unit[asked].astype(units.dtype), since[asked]])
    found[asked] = code.reindex(wanted).fillna(-1).to_numpy().astype(np.int64)
    return pd.Categorical.from_codes(found, pd.Index(names, dtype=object))


# --- summaries ------------------------------------------------------------------------------------------


def summary(ledger: Ledger, ensemble: Ensemble) -> pd.DataFrame:
    """Return each stock over worlds; see `Ledger.summary`."""
    worlds = value(ledger, ensemble)
    rows = []
    for name in dict.fromkeys(worlds["stock"]):
        mine = worlds[worlds["stock"] == name]
        sums = mine.groupby("world")[["staked", "staked_low", "staked_high", "returned"]].sum()
        made = sums["staked_high"].to_numpy() > 0
        back = (sums["returned"].to_numpy() > 0) & made
        row: dict[str, Any] = {"stock": name, "measure": next(iter(mine["measure"]))}
        stocks = [stock for stock in ledger.stocks if stock.name == name]
        row |= {
            "amount": sum(stock.amount for stock in stocks),
            "low": sum(stock.low for stock in stocks),
            "high": sum(stock.high for stock in stocks),
        }
        row |= _share("staked", made, np.ones(made.size, dtype=bool), ensemble)
        row |= _share("returned", back, made, ensemble)
        amount = sums["returned"].to_numpy()[made]
        row["mean"] = float(amount.mean()) if made.any() else np.nan
        for level in (0.05, 0.5, 0.95):
            quantile = np.quantile(amount, level, method="inverted_cdf") if made.any() else np.nan
            row[f"q{100 * level:02.0f}"] = float(quantile)
        rows.append(row)
    return pd.DataFrame(rows)


def _share(
    name: str, chosen: NDArray[np.bool_], among: NDArray[np.bool_], ensemble: Ensemble
) -> Mapping[str, float]:
    """Return a share of worlds with its 95% interval: over the parameters where they were drawn, else Wilson's."""
    count, of = int(chosen.sum()), int(among.sum())
    share = np.array([count / of if of else np.nan])
    if ensemble.draws is None or not of:
        lower, upper = wilson(share, of)
    else:
        hits, worlds = (
            np.bincount(ensemble.draw[each], minlength=len(ensemble.draws)) for each in (chosen, among)
        )
        lower, upper = expected_share(hits[:, None], worlds)
    return {name: float(share[0]), f"{name}_lower": float(lower[0]), f"{name}_upper": float(upper[0])}


def returned(ledger: Ledger, ensemble: Ensemble, dates: Iterable[Any] | None = None) -> pd.DataFrame:
    """Return by when each clause had come true; see `Ledger.returned`."""
    ledger.check(ensemble.frame)
    frame = ensemble.frame
    asked = None if dates is None else [float(point) for point in frame.grid(dates)]
    rows = []
    for treaty in ledger.treaties:
        for clause in ledger.clauses:
            stocks = [s for s in _moved(ledger, treaty) if not clause.stocks or s.name in clause.stocks]
            own = clause.at if clause.at is not None else clause.by
            last = frame.to_number(own) if own is not None else frame.last
            for when in (asked if asked is not None else [last]) if stocks else []:
                made, back = _counted(treaty, stocks, _asked(clause, when, frame), when, ensemble)
                share = _share("share", back, made, ensemble)
                rows.append(
                    {
                        "treaty": treaty.name,
                        "clause": clause.name,
                        "date" if frame.dated else "time": frame.label(when) if frame.dated else when,
                        "worlds": int(made.sum()),
                        "returned": int(back.sum()),
                        "share": share["share"],
                        "lower": share["share_lower"],
                        "upper": share["share_upper"],
                        "of_all": int(back.sum()) / ensemble.worlds if ensemble.worlds else np.nan,
                    }
                )
    return pd.DataFrame(rows)


def _asked(clause: Clause, when: float, frame: Frame) -> Clause:
    """Return a clause whose condition is asked for another time."""
    if clause.when is None:
        return clause
    moment = frame.label(when) if frame.dated else when
    return replace(clause, at=moment) if clause.at is not None else replace(clause, by=moment)


def _counted(
    treaty: Treaty, stocks: list[Stock], clause: Clause, until: float, ensemble: Ensemble
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return in which worlds a treaty was made, and in which of them a clause gave any stock back (worlds,)."""

    def count(piece: Ensemble) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        signed = _signed(treaty, piece)
        back = np.zeros(piece.worlds, dtype=bool)
        for place in dict.fromkeys(stock.place if clause.placed else None for stock in stocks):
            back |= _comes_true(clause, piece, signed, place).time < limit_of(piece.frame, until)
        return ~np.isnan(signed), back

    parts = list(ensemble._each(count))
    return np.concatenate([made for made, _ in parts]), np.concatenate([back for _, back in parts])


def bet(ledger: Ledger, ensemble: Ensemble, clause: str | None = None) -> pd.DataFrame:
    """Return how risky refusing must have been for signing to be right; see `Ledger.bet`."""
    names = [each.name for each in ledger.clauses]
    if not names:
        raise ModelError("this ledger has no clause that could give anything back")
    if clause is not None and clause not in names:
        raise ModelError(f"there is no clause {clause!r}" + suggestion(clause, names))
    chosen = ledger.clauses[names.index(clause) if clause is not None else 0]
    found = returned(replace(ledger, clauses=[chosen]), ensemble).set_index("treaty")
    treaty_of = {name: treaty.name for treaty in ledger.treaties for name in treaty.stocks}
    rows = []
    for stock in ledger.break_even([0.0]).to_dict("records"):
        name = str(stock["stock"])
        if chosen.stocks and name not in chosen.stocks:
            continue
        whole = sum(each.whole for each in ledger.stocks if each.name == name and each.whole is not None)
        share, low, high = (stock[key] / whole for key in ("staked", "staked_low", "staked_high"))
        p: Any = found.loc[treaty_of[name]]
        rows.append(
            {
                "stock": name,
                "measure": stock["measure"],
                "share": share,
                "worlds": int(p["worlds"]),
                "returned": float(p["share"]),
                "returned_lower": float(p["lower"]),
                "returned_upper": float(p["upper"]),
                "risk": share * (1 - float(p["share"])),
                "risk_low": low * (1 - float(p["upper"])),
                "risk_high": high * (1 - float(p["lower"])),
            }
        )
    return pd.DataFrame(rows)
