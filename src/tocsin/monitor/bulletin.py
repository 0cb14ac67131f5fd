"""A bulletin: what changed, what is to be expected, where risk rose and why, what support stands, how good we were."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.errors import FitError, ModelError
from tocsin.fit.predict import hazards_of_causes
from tocsin.forecasts.forecast import ForecastQuestion, _came, bounds, fitted_until, shown, simulated
from tocsin.forecasts.scores import ROW, Scored, row_of
from tocsin.support.kinds import in_force, support_rows
from tocsin.wording.numbers import listed

if TYPE_CHECKING:
    import pandas as pd

    from tocsin.forecasts.forecast import Forecast
    from tocsin.history.history import History
    from tocsin.model.model import Model
    from tocsin.monitor.news import Entry, News
    from tocsin.monitor.record import Record

Progress = Callable[[str, int, int], None]

LISTED = 40  # events that a bulletin lists by themselves

ROSE = 0.005  # of a probability: less is the luck of so many worlds

TOLD = ROW[:-1]  # dates of entry are not kept, so they are not scored


def expected(
    record: Record,
    model: Model,
    history: History,
    cut: float,
    asked: Mapping[str, Any],
    progress: Progress | None,
) -> tuple[dict[str, Any], Forecast | None, dict[str, float]]:
    """Return what is to be expected on a day, as content of a bulletin; the forecast; and the estimates.

    The fit begins from the estimates of the last bulletin.

    Parameters:
        asked: variable, state, horizon, worlds and seed.
    """
    question = ForecastQuestion(
        asked["variable"], asked["state"], *bounds(history, shown(history, cut), asked["horizon"], False)
    )
    before = record.ask(
        "SELECT cut, parameters FROM bulletins WHERE cut < ? ORDER BY cut DESC LIMIT 1", [cut]
    )
    near = json.loads(before[0][1]) if before else {}
    content: dict[str, Any] = {"as_of": str(shown(history, cut)), "until": str(shown(history, question.end))}
    try:
        fit, known = fitted_until(model, history, question, progress=progress, near=near or None)
        made = simulated(fit, history, known, question, asked["worlds"], asked["seed"], progress=progress)
    except (FitError, ModelError) as error:
        return {**content, "forecast": None, "why_not": str(error)}, None, near
    last = float(before[0][0]) if before else None
    mean, low, high = made.number
    content["forecast"] = {
        "entries": {"mean": mean, "lower": low, "upper": high},
        "worlds": made.ensemble.worlds,
        "events_known": made.fit.nobs,
        "units": _units(record, made, cut, last),
    }
    return content, made, dict(fit.values)


def _units(record: Record, made: Forecast, cut: float, last: float | None) -> list[dict[str, Any]]:
    """Return the units that could enter the state: probability, change since the last bulletin, hazards by cause."""
    was = (
        dict(record.ask("SELECT unit, probability FROM forecasts WHERE cut = ?", [last]))
        if last is not None
        else {}
    )
    now, then = _causes(made, cut), _causes(made, last) if last is not None else {}
    rows = []
    for row in made.table.to_dict("records"):
        unit = str(row["unit"])
        old = was.get(unit)
        causes = {
            cause: {"before": then.get(unit, {}).get(cause, math.nan), "now": hazard}
            for cause, hazard in now.get(unit, {}).items()
        }
        rows.append(
            {
                "unit": unit,
                **{name: float(row[name]) for name in ("probability", "lower", "upper")},
                "before": old,
                "change": None if old is None else float(row["probability"]) - old,
                "causes": causes,
            }
        )
    return rows


def _causes(made: Forecast, cut: float) -> dict[str, dict[str, float]]:
    """Return the hazard of entering the state by unit and cause, at the end of a day, under the estimates of now."""
    program = made.fit.fitted_program
    end = min(
        cut + (1.0 if program.history.dated and not program.history.grouped else 0.0),
        program.layout.window[1],
    )
    if not program.layout.window[0] < end:
        return {}
    moves = {
        move.name
        for move in made.fit.model.transitions
        if (move.variable, move.to) == (made.variable, made.state)
    }
    found: dict[str, dict[str, float]] = {}
    table = hazards_of_causes(made.fit, program, end)
    own_moves = table[table["transition"].isin(moves)]
    for unit, cause, hazard in own_moves[["unit", "cause", "hazard"]].to_numpy().tolist():
        own = found.setdefault(unit, {})
        own[cause] = own.get(cause, 0.0) + hazard
    return found


def rises(units: list[dict[str, Any]], most: int = 10) -> list[dict[str, Any]]:
    """Return where risk rose since the last bulletin, the most first, each with the causes whose hazard rose."""
    up = [each for each in units if each["change"] is not None and each["change"] > ROSE]
    found = []
    for each in sorted(up, key=lambda each: (-each["change"], each["unit"]))[:most]:
        grown = {
            cause: (0.0 if math.isnan(told["before"]) else told["before"], told["now"])
            for cause, told in each["causes"].items()
            if told["now"] > (0.0 if math.isnan(told["before"]) else told["before"])
        }
        ordered = sorted(grown.items(), key=lambda item: item[1][0] - item[1][1])
        total = sum(now - before for _, (before, now) in ordered)
        by = [
            {"cause": cause, "before": before, "now": now, "share": (now - before) / total}
            for cause, (before, now) in ordered
        ]
        found.append({**{name: each[name] for name in ("unit", "before", "probability")}, "causes": by})
    return found


def changed(news: News, late: int, fresh: list[Entry]) -> dict[str, Any]:
    """Return what came in: counts, the events one by one, and what goes against the record.

    Parameters:
        fresh: events that the last bulletin did not know.
    """
    return {
        "added": len(news.added),
        "known": news.known,
        "late": late,
        "replaced": [{"was": str(old), "is": str(row)} for old, row in news.replaced],
        "against": [
            {"file": row.file, "line": row.line, "row": str(row), "why": why} for row, why in news.against
        ],
        "events": [str(each) for each in fresh[:LISTED]],
        "events_left_out": max(len(fresh) - LISTED, 0),
    }


def support_of(history: History, cut: float, last: float | None) -> dict[str, Any]:
    """Return the support that is in force on a day, by kind, with what began and ended since the last bulletin."""
    rows = support_rows(history)
    standing = in_force(rows, cut)
    since = -math.inf if last is None else last
    begun = standing[standing["begin"] > since] if last is not None else standing.iloc[:0]
    over = rows[(rows["begin"] <= since) & (rows["end"] > since) & (rows["end"] <= cut)]
    kinds = [
        {"by": by, "kind": kind, "ties": len(own), "to": sorted(set(own["target"]))}
        for (by, kind), own in standing.groupby(["by", "kind"])
    ]
    return {
        "named": bool(len(rows)),
        "in_force": kinds,
        "began": _told(begun),
        "ended": _told(over),
    }


def _told(rows: pd.DataFrame) -> list[str]:
    return [
        f"{kind} by {by} from {source} to {listed(sorted(set(own['target'])))}"
        for (kind, by, source), own in rows.groupby(["kind", "by", "source"])
    ]


# --- How good earlier bulletins were


def past_scores(record: Record, history: History, cut: float, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the scores of the bulletins whose horizon is over, one by one and together.

    A probability is scored by whether the unit entered the state in the record as it is now known; late news counts.
    """
    rows, all_scored = [], []
    over = record.ask(
        "SELECT cut, horizon_end, as_of FROM bulletins WHERE horizon_end <= ? AND cut < ? ORDER BY cut",
        [cut, cut],
    )
    for made, end, as_of in over:
        scored = _scored(record, history, ForecastQuestion(asked["variable"], asked["state"], made, end))
        if scored is not None:
            all_scored.append(scored)
            low, high = np.quantile(scored.entries, [0.025, 0.975], method="inverted_cdf")
            row = dict(zip(TOLD, row_of([scored]), strict=False))
            rows.append(
                {"as_of": as_of, **row, "lower": float(low), "upper": float(high), "came": scored.number}
            )
    total = dict(zip(TOLD, row_of(all_scored), strict=False)) if all_scored else {}
    held = [each["lower"] <= each["came"] <= each["upper"] for each in rows]
    return {"bulletins": len(rows), "held": sum(held), "together": total, "one_by_one": rows}


def _scored(record: Record, history: History, question: ForecastQuestion) -> Scored | None:
    told = record.ask("SELECT unit, probability FROM forecasts WHERE cut = ? ORDER BY unit", [question.cut])
    if not told:
        return None
    counts = record.ask("SELECT entries, worlds FROM counts WHERE cut = ? ORDER BY entries", [question.cut])
    entries = np.repeat([float(n) for n, _ in counts], [int(w) for _, w in counts])
    names = [unit for unit, _ in told]
    came, number = _came(history, question, names)
    probability = np.array([p for _, p in told])
    return Scored(probability, np.isfinite(came) * 1.0, entries, number, np.zeros(len(names)), len(entries))


def kept_rows(made: Forecast) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Return the rows of a forecast for the tables `forecasts` and `counts`."""
    cut = made.question.cut
    table: pd.DataFrame = made.table
    told = [
        (cut, str(u), float(p), float(a), float(b))
        for u, p, a, b in table[["unit", "probability", "lower", "upper"]].to_numpy()
    ]
    number, worlds = np.unique(made.told.count.astype(np.int64), return_counts=True)
    return told, [(cut, int(n), int(w)) for n, w in zip(number, worlds, strict=True)]
