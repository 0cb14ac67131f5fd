"""Own data: the four ways into a history, what the record refuses, rival codings, and tables out."""

from __future__ import annotations

import re
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import statsmodels.api as sm

import tocsin as tc

SPID = Path(__file__).parents[2] / "shared" / "data" / "spid" / "policies.csv"
DOCTORS = Path(__file__).parents[2] / "shared" / "data" / "netdiffuseR"

CLOGLOG = sm.families.Binomial(sm.families.links.CLogLog())


def cloglog(rows: pd.DataFrame, outcome: str, terms: list[str]) -> tuple[np.ndarray, float]:
    fit = sm.GLM(rows[outcome], sm.add_constant(rows[terms]), CLOGLOG).fit(tol=1e-14, maxiter=300)
    return fit.params.to_numpy(), fit.llf


def suffrage() -> pd.DataFrame:
    """States by year until they give the vote, with the lag of a covariate beside it."""
    rng = np.random.default_rng(1893)
    rows = []
    for state in range(48):
        x = rng.normal(size=31).cumsum() / 3
        for year in range(1890, 1921):
            before = x[year - 1891] if year > 1890 else np.nan
            vote = int(year > 1890 and rng.random() < 1 - np.exp(-np.exp(-3.4 + 0.8 * before)))
            rows.append((f"state {state}", year, x[year - 1890], before, vote))
            if vote:
                break
    return pd.DataFrame(rows, columns=["state", "year", "x", "x_before", "vote"])


def test_a_lagged_panel_is_the_cloglog_of_the_same_rows() -> None:
    panel = suffrage()
    shuffled = panel.sample(frac=1, random_state=1)
    history = tc.from_panel(
        shuffled, unit="state", time="year", event="vote", row="end", lag=1, covariates=["x"]
    )
    fit = tc.Model.of("vote", "no", "yes", baseline="1 + x").fit(history)
    rows = panel.dropna()
    params, loglik = cloglog(rows, "vote", ["x_before"])
    np.testing.assert_allclose(fit.params, params, atol=1e-6)
    assert fit.loglik == pytest.approx(loglik, abs=1e-6)
    account = history.intake.rows.set_index("table").loc["panel"]
    assert (account.read, account.used, account.left_out) == (len(panel), len(rows), 48)
    assert set(history.intake.left_out.row) == {
        place + 1 for place in np.flatnonzero(shuffled.x_before.isna())
    }


def test_the_same_panel_as_states_and_at_the_start_of_rows() -> None:
    panel = suffrage()
    held = panel.assign(held=panel.vote)  # at the end of the year
    ends = tc.from_panel(held, unit="state", time="year", state="held", row="end", lag=1, covariates=["x"])
    events = tc.from_panel(panel, unit="state", time="year", event="vote", row="end", lag=1, covariates=["x"])
    fits = [
        tc.Model.of(name, "no", "yes", baseline="1 + x").fit(history)
        for name, history in (("held", ends), ("vote", events))
    ]
    np.testing.assert_allclose(fits[0].params.to_numpy(), fits[1].params.to_numpy(), atol=1e-9)
    # The state at the start of a year is that at the end of the year before.
    later = held.assign(year=held.year + 1)
    starts = tc.from_panel(later, unit="state", time="year", state="held", row="start", lag=0)
    pd.testing.assert_frame_equal(
        starts.events.drop(columns="variable"), ends.events.drop(columns="variable"), check_dtype=False
    )


def test_counts_of_coups_are_a_poisson_regression() -> None:
    rng = np.random.default_rng(7)
    rows = pd.DataFrame(
        [(f"c{i}", y) for i in range(30) for y in range(1960, 1990)], columns=["country", "year"]
    )
    rows["poor"] = rng.normal(size=len(rows))
    rows["coups"] = rng.poisson(np.exp(-2 + 0.5 * rows.poor))
    assert rows.coups.max() > 1
    history = tc.from_panel(
        rows,
        unit="country",
        time="year",
        event="coups",
        row="start",
        lag=0,
        recurrent=True,
        covariates=["poor"],
    )
    fit = tc.Model.of("coups", "no", "yes", baseline="1 + poor", recurrent=True).fit(history)
    poisson = sm.GLM(rows.coups, sm.add_constant(rows[["poor"]]), sm.families.Poisson()).fit(tol=1e-14)
    np.testing.assert_allclose(fit.params, poisson.params, atol=1e-6)
    assert len(history.events) == rows.coups.sum()


@pytest.mark.skipif(not SPID.exists(), reason="../shared is absent")
def test_adoptions_of_a_policy_are_the_cloglog_of_its_rows() -> None:
    policies = pd.read_csv(SPID)
    policy = policies[policies.policy == policies.policy.value_counts().index[0]]
    states = pd.DataFrame({"state": sorted(policies.statenam.unique())}).merge(
        policy, left_on="state", right_on="statenam", how="left"
    )
    first, last = int(policy.adopt_year.min()), int(policy.adopt_year.max())
    states["size"] = states.state.str.len() / 10
    history = tc.from_adoptions(states, unit="state", time="adopt_year", covariates=["size"])
    assert [each.year for each in history.window] == [first, last]
    fit = tc.Model.of("adoption", "no", "yes", baseline="1 + size").fit(history)
    rows = pd.DataFrame(
        [
            (row.size_, int(year == row.adopt_year))
            for row in states.rename(columns={"size": "size_"}).itertuples()
            for year in range(first, int(np.nan_to_num(row.adopt_year, nan=last)) + 1)
        ],
        columns=["size", "y"],
    )
    params, loglik = cloglog(rows, "y", ["size"])
    np.testing.assert_allclose(fit.params, params, atol=1e-6)
    assert fit.loglik == pytest.approx(loglik, abs=1e-6)
    assert history.intake.rows.left_out.sum() == 0


@pytest.mark.skipif(not DOCTORS.exists(), reason="../shared is absent")
def test_doctors_who_name_each_other() -> None:
    nodes, edges = (pd.read_csv(DOCTORS / f"medInnovations_{name}.csv") for name in ("nodes", "edges"))
    history = tc.from_adoptions(
        nodes, edges, unit="id", time="toa", source="dst", target="src", layer="advice",
        never=[18], window=(1, 17),
    )  # fmt: skip
    assert (len(history.units), len(history.ties), len(history.events)) == (125, 294, (nodes.toa < 18).sum())
    assert "units without ties of 'advice'" in str(history.intake)
    with pytest.raises(tc.HistoryError, match="say source= and target="):
        tc.from_adoptions(nodes, edges, unit="id", time="toa")
    everybody = tc.from_adoptions(nodes, unit="id", time="toa")
    assert "16 units adopted at 18, the last time there is, and none never did" in str(everybody.intake)
    assert "say never=" not in str(history.intake)


@pytest.mark.parametrize("dated", [False, True])
def test_intervals_are_the_exponential_of_the_counting_process(dated: bool) -> None:
    rng = np.random.default_rng(3)
    rows = []
    for unit in range(120):
        begin = int(rng.integers(0, 40))
        for _ in range(3):
            x = rng.normal()
            length, wait = int(rng.integers(5, 30)), rng.exponential(60 / np.exp(0.7 * x))
            died = wait < length
            stop = begin + max(1, int(np.ceil(wait)) if died else length)
            rows.append((f"u{unit}", begin, stop, x, int(died)))
            begin = stop
            if died:
                break
    table = pd.DataFrame(rows, columns=["id", "start", "stop", "x", "died"])
    poisson = sm.GLM(
        table.died, sm.add_constant(table[["x"]]), sm.families.Poisson(), offset=np.log(table.stop - table.start)
    ).fit(tol=1e-14)  # fmt: skip
    if dated:
        day = pd.Timestamp("1917-01-01")
        table = table.assign(**{end: day + pd.to_timedelta(table[end], "D") for end in ("start", "stop")})
    history = tc.from_intervals(table, unit="id", start="start", stop="stop", event="died", covariates=["x"])
    fit = tc.Model.of("died", "no", "yes", baseline="1 + x").fit(history)
    np.testing.assert_allclose(fit.params, poisson.params, atol=1e-6)
    assert fit.nobs == table.died.sum()


def test_a_column_of_words_and_a_cell_that_is_no_year() -> None:
    panel = {
        "unit": list("aabb"),
        "year": ["1990", "1991", "1990", "199x"],
        "event": ["no", "yes", "no", "no"],
    }
    given = {"unit": "unit", "time": "year", "row": "start", "lag": 0}
    with pytest.raises(tc.HistoryError) as caught:
        tc.from_panel(panel | {"year": [1990, 1991] * 2}, event="event", **given)  # type: ignore[arg-type]
    (problem,) = caught.value.problems
    assert "say state='event'" in problem.message and problem.value == "no, yes"
    with pytest.raises(tc.HistoryError, match=r"line 4, column year: no period such as 1990.*'199x'"):
        tc.from_panel(panel, event="event", **given)  # type: ignore[arg-type]
    rows_ = {"unit": ["a", "b"], "start": [0, 0], "stop": [3, 4], "event": ["no", "yes"]}
    with pytest.raises(tc.HistoryError, match="1 problem\n.*holds words: write 0 and 1"):
        tc.from_intervals(rows_, unit="unit", start="start", stop="stop", event="event")
    nodes = {"id": ["a", "b", "c"], "toa": [1, 2, -99]}
    assert "beware: 1 adopted at -99" in str(tc.from_adoptions(nodes, unit="id", time="toa").intake)
    with pytest.raises(tc.HistoryError, match=r"no period such as 1, as others are.*say clock= \('1.5'\)"):
        tc.from_adoptions(nodes | {"toa": ["1", "2", "1.5"]}, unit="id", time="toa")
    marked = panel | {"year": [1990, 1991] * 2, "event": [False, True, False, False]}
    assert len(tc.from_panel(marked, event="event", **given).events) == 1  # type: ignore[arg-type]


def test_what_must_be_spoken_is_asked_for() -> None:
    panel = {"state": ["a", "a"], "year": [1911, 1912], "vote": [0, 1]}
    with pytest.raises(tc.HistoryError) as caught:
        tc.from_panel(panel, unit="state", time="yaer", event="vote")
    said = str(caught.value)
    assert (
        "say row= 'start' or 'end'" in said and "say lag= 0 or 1" in said and "did you mean 'year'?" in said
    )
    with pytest.raises(tc.HistoryError, match="say state= instead of event="):
        tc.from_panel(
            {"state": ["a", "a"], "year": [1911, 1912], "vote": [1, 1]},
            unit="state", time="year", event="vote", row="start", lag=0,
        )  # fmt: skip
    with pytest.raises(tc.HistoryError, match="no rows of 'a' between 1911 and 1914"):
        tc.from_panel(
            panel | {"year": [1911, 1914]}, unit="state", time="year", event="vote", row="start", lag=0
        )
    with pytest.raises(tc.HistoryError, match="no value is given"):
        tc.from_panel(
            panel | {"x": [None, 1.0]},
            unit="state",
            time="year",
            event="vote",
            row="start",
            lag=0,
            covariates=["x"],
        )


def test_carried_gaps_and_values_are_counted() -> None:
    panel = {
        "s": ["a"] * 3 + ["b"] * 2,
        "y": [1, 2, 5, 1, 2],
        "e": [0, 0, 1, 0, 0],
        "x": [1.0, None, 3, 4, 5],
    }
    history = tc.from_panel(
        panel,
        unit="s",
        time="y",
        event="e",
        row="start",
        lag=0,
        covariates=["x"],
        gaps="carry",
        missing="carry",
    )
    rows = history.covariates[["unit", "value", "start", "end"]].values.tolist()
    assert rows == [["a", 1.0, 1.0, 4.0], ["a", 3.0, 5.0, 5.0], ["b", 4.0, 1.0, 1.0], ["b", 5.0, 2.0, 2.0]]
    assert "1 cell without a value carries" in str(history.intake)
    assert history.clock == "step"


def test_events_out_of_the_window_and_of_no_unit_are_counted() -> None:
    events = {
        "who": ["a", "a", "a", "z", "b", None],
        "when": ["1959-01-01", "1963-01-01", "1999-01-01", "1965-01-01", None, None],
        "source": ["S"] * 5 + [None],
    }
    history = tc.from_events(
        events, unit="who", time="when", window=("1960-01-01", "1969-12-31"), units={"unit": ["a", "b"]},
        recurrent=True, undated="leave out", unknown="leave out",
    )  # fmt: skip
    rows = history.intake.rows.set_index("table")
    assert rows.loc["events"].tolist() == [6, 2, 4]
    reasons = history.intake.left_out.set_index("row").reason.to_dict()
    assert reasons == {
        6: "an empty row", 5: "no time is given", 3: "after the window, which ends 1969-12-31",
        4: "not among the units: z",
    }  # fmt: skip
    assert history.intake.entry_states.unit.tolist() == ["a"]
    assert "columns of events that are not used: source" in history.intake.notes


# --- What the record refuses, and reads

V = tc.StateVariable("r", ["old", "new"])


def small(**more: object) -> tc.History:
    units = more.pop("units", {"unit": ["a", "b", "c"]})
    return tc.History(units=units, variables=[V], window=("1990-01-01", "1999-12-31"), **more)  # type: ignore[arg-type]


def test_events_of_units_that_are_away_are_counted() -> None:
    units = {
        "unit": ["Austria", "Austria", "Latvia", "Norway"],
        "enter": ["1919-09-10", "1955-07-27", "1918-11-18", "1905-08-26"],
        "exit": ["1938-03-13", None, "1940-06-16", None],
    }
    events = {"unit": ["Austria", "Latvia", "Norway"], "time": ["1945-06-01", "1950-05-05", "1950-01-01"]}
    given = {"units": units, "window": ("1930-01-01", "1960-12-31")}
    with pytest.raises(tc.HistoryError, match="event in an absence of 'Austria'"):
        tc.from_events(events, **given)  # type: ignore[arg-type]
    intake = tc.from_events(events, **given, unknown="leave out").intake  # type: ignore[arg-type]
    assert intake.rows.set_index("table").loc["events"].tolist() == [3, 1, 2]
    assert "not there on that day: Austria, Latvia (rows 1, 2)" in str(intake)


@pytest.mark.parametrize(
    ("table", "column", "meant"),
    [
        ("units", "startdate", "enter"), ("units", "endYear", "exit"), ("units", "Latitude", "lat"),
        ("units", "lng", "lon"), ("ties", "stdate", "start"), ("ties", "end_date", "end"),
        ("covariates", "year", "start"), ("covariates", "until", "end"), ("units", "styear", "enter"),
        ("ties", "Last Year", "end"), ("covariates", "année", "start"), ("ties", "t0", "start"),
        ("units", "CapLat", "lat"), ("units", "name", "label"),
    ],
)  # fmt: skip
def test_columns_that_mean_something_elsewhere(table: str, column: str, meant: str) -> None:
    tables = {
        "units": {"unit": ["a", "b", "c"]},
        "ties": {"layer": ["x"], "source": ["a"], "target": ["b"]},
        "covariates": {"unit": ["a"], "covariate": ["gdp"], "value": [1.0]},
    }
    tables[table][column] = [1.0] * len(tables[table][next(iter(tables[table]))])
    with pytest.raises(tc.HistoryError) as caught:
        small(**tables)
    assert [(each.column, each.nearest) for each in caught.value.problems] == [(column, meant)]
    history = small(**tables, extra=[column])
    assert column in getattr(history, table).columns and history.extra == (column,)


@pytest.mark.parametrize("table", ["units", "events", "ties", "covariates"])
@pytest.mark.parametrize(
    "column",
    [
        "country_name",
        "event_id",
        "iso3c",
        "gwno_a",
        "statelno",
        "coordinates",
        "eventdate",
        "uid",
        "valid_from",
    ],
)
def test_no_table_keeps_a_time_a_place_or_an_identifier_unasked(table: str, column: str) -> None:
    tables = {
        "units": {"unit": ["a", "b", "c"]},
        "events": {"unit": ["a"], "variable": ["r"], "state": ["new"], "time": ["1991-01-01"]},
        "ties": {"layer": ["x"], "source": ["a"], "target": ["b"]},
        "covariates": {"unit": ["a"], "covariate": ["gdp"], "value": [1.0]},
    }
    tables[table][column] = ["q"] * len(tables[table][next(iter(tables[table]))])
    with pytest.raises(tc.HistoryError, match="looks like"):
        small(**tables)
    assert column in getattr(small(**tables, extra=[column]), table).columns


def test_extra_columns_come_back_from_a_folder(tmp_path: Path) -> None:
    history = small(units={"unit": ["a", "b"], "ccode": [2, 20]}, extra=["ccode"])
    history.write(tmp_path / "h")
    again = tc.load_history(tmp_path / "h")
    assert again == history and again.extra == ("ccode",)
    head = tmp_path / "h" / "history.toml"
    head.write_text(head.read_text().replace('extra = [\n    "ccode",\n]\n', ""))
    with pytest.raises(tc.HistoryError, match="looks like an identifier"):
        tc.load_history(tmp_path / "h")


def test_strangers_are_told_once_and_only_within_the_window() -> None:
    codes = [str(code) for code in range(300, 319)]
    ties = pd.DataFrame({"layer": "x", "source": ["255"] * 30 + codes, "target": "a"})
    with pytest.raises(tc.HistoryError) as caught:
        small(ties=ties)
    (problem,) = caught.value.problems
    assert "20 units of ties are not among the units: 255 in 30 rows, 300 in 1 row," in problem.message
    assert "and 15 more" in problem.message
    history = small(ties=ties.assign(start="1950-01-01", end="1989-12-31"))
    assert history.intake.rows.set_index("table").loc["ties"].tolist() == [49, 0, 49]
    with pytest.raises(tc.HistoryError) as caught:
        small(units={"unit": [55, 260]}, ties={"layer": ["x"], "source": [255], "target": [260]})
    assert caught.value.problems[0].nearest is None


def test_overlap_before_the_window_is_no_fault() -> None:
    ties = {
        "layer": ["x", "x"], "source": ["a", "a"], "target": ["b", "b"],
        "start": ["1839-01-01", "1916-01-01"], "end": ["1916-12-31", "2016-12-31"],
    }  # fmt: skip
    assert len(small(ties=ties).ties) == 2
    with pytest.raises(tc.HistoryError, match="duplicate tie"):
        small(ties=ties | {"end": ["1990-06-01", "2016-12-31"]})


def test_rows_of_commas_and_accents_that_stand_apart(tmp_path: Path) -> None:
    (tmp_path / "history.toml").write_text(
        'window = ["1990-01-01", "1999-12-31"]\n[variables.r]\nstates = ["old", "new"]\n'
    )
    (tmp_path / "units.csv").write_text("unit,label\nMu\u0308nchen,M\n,\nb,B\n , \n")
    (tmp_path / "events.csv").write_text("unit,variable,state,time\nMünchen,r,new,1991-01-01\n,,,\n")
    history = tc.load_history(tmp_path)
    assert history.events.unit.tolist() == ["München"] and sorted(history.units.unit) == ["München", "b"]
    assert history.intake.rows.left_out.tolist() == [2, 1]


@pytest.mark.parametrize(
    ("date", "first", "last", "confidence"),
    [
        ("1991-03~", "1991-03-01", "1991-03-31", "medium"), ("1991-11/1991-12", "1991-11-01", "1991-12-31", None),
        ("1991-03-2X", "1991-03-20", "1991-03-29", None), ("1991-02-2X?", "1991-02-20", "1991-02-28", "low"),
        ("1991-XX-XX", "1991-01-01", "1991-12-31", None), ("199X", "1990-01-01", "1999-12-31", None),
        ("1991-03-05~", "1991-03-05", "1991-03-05", "medium"), ("1991-0X%", "1991-01-01", "1991-09-30", "low"),
        ("1991-03", "1991-03-01", "1991-03-31", None),
        ("../1995", "0001-01-01", "1995-12-31", None), ("1991-05/", "1991-05-01", "9999-12-31", None),
        ("1991-34", "1991-04-01", "1991-06-30", None), ("1991-41~", "1991-07-01", "1991-12-31", "medium"),
        ("1991-?03", "1991-03-01", "1991-03-31", "low"), ("199X", "1990-01-01", "1999-12-31", None),
    ],
)  # fmt: skip
def test_dates_known_in_part(date: str, first: str, last: str, confidence: str | None) -> None:
    history = small(events={"unit": ["a"], "variable": ["r"], "state": ["new"], "time": [date]})
    row = history.events.iloc[0]
    assert str(row.time.date()) == first and str(row.get("time_latest", row.time).date()) == last
    assert row.get("confidence") == confidence


@pytest.mark.parametrize("date", ["1991-13~", "1991-02-30?", "1991-12/1991-11", "1991-3X-01", "X991"])
def test_dates_that_are_none(date: str) -> None:
    with pytest.raises(tc.HistoryError, match="bad date"):
        small(events={"unit": ["a"], "variable": ["r"], "state": ["new"], "time": [date]})


@pytest.mark.parametrize(
    ("date", "cure"),
    [
        ("13/01/1991", "YYYY-MM-DD: 1991-01-13"), ("01/02/1991", "1991-01-02 or 1991-02-01"),
        ("13 January 1991", "1991-01-13"), ("19910113", "write 1991-01-13"), ("1991-1-3", "1991-01-03"),
        ("13jan1991", "1991-01-13"), ("May 5th 1991", "1991-05-05"), ("31/02/1991", "YYYY-MM-DD"),
        ("1991-22", "a season has other months north and south of the equator"),
    ],
)  # fmt: skip
def test_how_a_date_is_written_is_told(date: str, cure: str) -> None:
    with pytest.raises(tc.HistoryError, match=re.escape(cure)):
        small(events={"unit": ["a"], "variable": ["r"], "state": ["new"], "time": [date]})


def test_codes_for_what_is_not_known_are_no_numbers_without_a_word() -> None:
    def beware(values: list[float]) -> list[str]:
        rows = {"unit": list("abc"), "covariate": "p", "value": values}
        return [
            *small(covariates=pd.DataFrame(rows)).warnings,
            *small(units={"unit": list("abc"), "p": values}).warnings,
        ]

    assert "1 value of 'p' is -66, and all others lie from -7 to 10" in beware([-7, -66, 10])[1]
    assert len(beware([-7, -66, 10])) == 2 and len(beware([1, 1000, -99])) == 2
    assert beware([-9, -3, 10]) == beware([-99, -200, 100]) == []
    panel = {"unit": list("aabb"), "year": [1990, 1991] * 2, "event": [0, 1, 0, 0], "x": [1, 2, 3, -88]}
    history = tc.from_panel(
        panel, unit="unit", time="year", event="event", row="start", lag=0, covariates=["x"]
    )
    assert "beware: 1 value of 'x' is -88" in str(history.intake)


def test_graphs_and_matrices() -> None:
    pairs = {("a", "b"), ("b", "a"), ("b", "c"), ("c", "b")}
    undirected, matrix = (
        nx.Graph([("a", "b"), ("b", "c")]),
        scipy.sparse.csr_array(np.eye(3, k=1) + np.eye(3, k=-1)),
    )
    for ties in (undirected, {"x": undirected}, {"x": matrix}, matrix):
        assert set(small(ties=ties).ties[["source", "target"]].itertuples(index=False, name=None)) == pairs
    one = nx.DiGraph()
    one.add_edge("a", "b", weight=2.5, start="1995-01-01")
    tie = small(ties={"x": one}).ties.iloc[0]
    assert (tie.layer, tie.source, tie.target, tie.weight, str(tie.start.date())) == (
        "x",
        "a",
        "b",
        2.5,
        "1995-01-01",
    )
    for alone in (True, False):
        for wrong, told in ((np.eye(3, k=1), "not symmetric"), (np.eye(2), "2 x 2 for 3 units")):
            matrix = scipy.sparse.csr_array(wrong)
            with pytest.raises(tc.HistoryError, match=told):
                small(ties=matrix if alone else {"x": matrix})
    assert small(ties={"x": nx.Graph()}).ties.empty


# --- Rival codings, the usual model, tables out


def rivals() -> tc.History:
    events = {
        "unit": ["a", "b", "b", "c"], "variable": ["r"] * 4, "state": ["new"] * 4,
        "time": ["1991-01-01", "1995-01-01", "1996-03-01", "1992-01-01"], "coding": [None, "A", "B", None],
    }  # fmt: skip
    return small(events=events, ties={"x": nx.Graph([("a", "b"), ("b", "c")])})


def test_rival_codings(tmp_path: Path) -> None:
    history = rivals()
    assert history.codings == ("A", "B")
    assert [str(history.coding(name).events.time.max().date()) for name in "AB"] == [
        "1995-01-01",
        "1996-03-01",
    ]
    assert history.coding("A") == history and history.coding("B").codings == ()
    with pytest.raises(tc.TocsinError, match="no coding 'C'"):
        history.coding("C")
    history.write(tmp_path / "h")
    again = tc.load_history(tmp_path / "h")
    assert again.coding("B") == history.coding("B")
    assert (pd.read_csv(tmp_path / "h" / "events.csv").coding.isna()).sum() == 2


def test_pooled_over_codings_with_the_total_variance() -> None:
    history = rivals()
    model = tc.Model.of("r", "old", "new")
    found = tc.over_codings(history, model, {"A": 3, "B": 1})
    one, other = (model.fit(history.coding(name)) for name in "AB")
    weights = np.array([0.75, 0.25])
    values = np.array([one.params.iloc[0], other.params.iloc[0]])
    variances = np.array([one.vcov.iloc[0, 0], other.vcov.iloc[0, 0]])
    mean = weights @ values
    total = weights @ variances + weights @ (values - mean) ** 2
    row = found.pooled().iloc[0]
    assert row.estimate == pytest.approx(mean) and row.se == pytest.approx(np.sqrt(total))
    assert found.changes().iloc[0][["A", "B"]].tolist() == pytest.approx(values.tolist())
    assert found.events().weight.tolist() == [0.75, 0.25]
    with pytest.raises(tc.TocsinError, match="unknown coding 'C'"):
        tc.over_codings(history, model, {"A": 1, "C": 1})
    with pytest.raises(tc.TocsinError, match="no rival codings"):
        tc.over_codings(small(), model)


def test_rivals_are_not_forgotten_and_weights_are_numbers() -> None:
    moves = {"unit": list("aabc"), "variable": "r", "state": "new", "coding": ["A", "B", "", ""]}
    events = pd.DataFrame(moves | {"time": ["1991-01-01", "1993-01-01", "1995-01-01", "1996-01-01"]})
    history, model = small(events=events), tc.Model.of("r", "old", "new")
    assert model.fit(history).warnings[0].startswith("rival codings: this is 'A'")
    assert model.fit(history.coding("A")).warnings == []
    part = history.select(units=["a", "b"])
    assert part.codings == ("A", "B") and str(part.coding("B").events.time[0].date()) == "1993-01-01"
    for weights in ([1, 1], {"A": "x", "B": 1}, {"A": 1, "B": None}):
        with pytest.raises(tc.TocsinError, match="a number of at least 0 for each coding: A, B"):
            tc.over_codings(history, model, weights)  # type: ignore[arg-type]


def test_further_events_that_nothing_explains_are_told() -> None:
    events = {"unit": ["a", "a", "b"], "time": ["1991-01-01", "1993-01-01", "1992-02-02"]}
    history = tc.from_events(
        events, variable="coup", states=("none", "coup"), recurrent=True, window=("1990-01-01", "1995-12-31")
    )
    once = tc.Model(history.variables, [tc.Transition("coup", "none", "coup", tc.baseline())])
    assert "1 further event of 'coup' into 'coup'" in once.fit(history).warnings[0]
    assert "write the origin 'none|coup'" in once.fit(history).warnings[0]
    assert tc.Model.of("coup", "none", "coup", recurrent=True).fit(history).warnings == []


def test_the_usual_model_in_a_line() -> None:
    model = tc.Model.of("vote", "no", "yes", along=["border"], half_life=2.0)
    assert model == tc.Model(
        [tc.StateVariable("vote", ["no", "yes"])],
        [
            tc.Transition(
                "vote", "no", "yes", tc.baseline("1"), tc.contagion("border", "vote=yes", half_life=2.0)
            )
        ],
    )
    again = tc.Model.of("coup", "none", "coup", recurrent=True)
    assert again.transitions[0].origin == ("none", "coup") and again.variables[0].recurrent


def test_tables_out(tmp_path: Path) -> None:
    history = rivals()
    fit = tc.Model.of("r", "old", "new", along=["x"]).fit(history)
    table = tc.tidy(fit)
    names = ["term", "estimate", "std.error", "statistic", "p.value", "conf.low", "conf.high"]
    assert list(table) == names and list(table.term) == list(fit.params.index)
    summary = fit.summary()
    np.testing.assert_allclose(
        table[["estimate", "conf.low", "conf.high"]], summary[["estimate", "lower", "upper"]]
    )
    line = tc.glance(fit).iloc[0]
    assert line.to_dict() == {
        "logLik": fit.loglik,
        "AIC": fit.aic,
        "BIC": fit.bic,
        "nobs": fit.nobs,
        "df": fit.df,
    }
    alone = tc.Model.of("r", "old", "new").fit(history)
    both = {"alone": alone, "with ties": fit}
    assert tc.tidy(both).model.tolist() == ["alone", "with ties", "with ties"]
    assert list(tc.side_by_side(both).columns) == ["alone", "with ties"]
    for name in ("t.csv", "t.parquet"):
        path = tc.write_table(table.assign(note="=1+1"), tmp_path / name)
        read = pd.read_csv(path) if name.endswith("csv") else pd.read_parquet(path)
        assert list(read) == [*names, "note"]
    assert read.note[0] == "=1+1" and (tmp_path / "t.csv").read_text().count("'=1+1") == len(table)
    with pytest.raises(tc.TocsinError, match="as .csv or .parquet"):
        tc.write_table(table, tmp_path / "t.xlsx")


@pytest.mark.parametrize("page", ["own_data.md", "time.md"])
def test_pages_run(page: str) -> None:
    text = (Path(__file__).parents[1] / "docs" / page).read_text(encoding="utf-8")
    cells = re.findall(r"```\{code-cell\}\n(.*?)```", text, re.S)
    assert len(cells) > 3
    names: dict[str, object] = {}
    for number, cell in enumerate(cells):
        exec(compile(cell, f"{page}, cell {number}", "exec"), names)


def coups() -> pd.DataFrame:
    """Country-years with coups, a covariate with holes, and missing years."""
    rng = np.random.default_rng(7)
    rows = pd.DataFrame(
        [(f"c{i}", y) for i in range(30) for y in range(1960, 1990)], columns=["country", "year"]
    )
    rows["poor"] = rng.normal(size=len(rows))
    rows["coups"] = rng.poisson(np.exp(-2 + 0.5 * rows.poor))
    rows.loc[rng.random(len(rows)) < 0.08, "poor"] = np.nan
    return rows[rng.random(len(rows)) > 0.1].reset_index(drop=True)


@pytest.mark.parametrize("lag", [0, 1])
def test_coups_with_missing_years_are_a_poisson_regression_of_the_rows_that_are_left(lag: int) -> None:
    rows = coups()
    history = tc.from_panel(
        rows, unit="country", time="year", event="coups", row="end", lag=lag, recurrent=True, covariates=["poor"],
        gaps="not at risk", missing="not at risk",
    )  # fmt: skip
    fit = tc.Model.of("coups", "no", "yes", baseline="1 + poor", recurrent=True).fit(history)
    before = rows.assign(year=rows.year + lag)[["country", "year", "poor"]]
    used = rows.drop(columns="poor").merge(before, on=["country", "year"]).dropna()
    poisson = sm.GLM(used.coups, sm.add_constant(used[["poor"]]), sm.families.Poisson()).fit(tol=1e-14)
    np.testing.assert_allclose(fit.params, poisson.params, atol=1e-6)
    account = history.intake.rows.set_index("table").loc["panel"]
    assert (account.read, account.used) == (len(rows), len(used))
    assert history.intake.coverage.watched.sum() == len(used)


def test_a_first_event_with_holes_is_the_cloglog_of_the_rows_that_are_left() -> None:
    panel = suffrage()
    rng = np.random.default_rng(5)
    panel.loc[rng.random(len(panel)) < 0.1, "x"] = np.nan
    kept = panel[(rng.random(len(panel)) > 0.1) | (panel.vote == 1)].reset_index(drop=True)
    history = tc.from_panel(
        kept, unit="state", time="year", event="vote", row="start", lag=0, covariates=["x"],
        gaps="not at risk", missing="not at risk",
    )  # fmt: skip
    fit = tc.Model.of("vote", "no", "yes", baseline="1 + x").fit(history)
    rows = kept.dropna(subset="x")
    params, loglik = cloglog(rows, "vote", ["x"])
    np.testing.assert_allclose(fit.params, params, atol=1e-6)
    assert fit.loglik == pytest.approx(loglik, abs=1e-6)
    # Who votes in a row that is left out is there from then on, in the new state.
    lost = kept[kept.x.isna() & (kept.vote == 1) & (kept.year < 1920)]
    assert len(lost)
    units = history.units.set_index("unit")
    for state, year in lost[["state", "year"]].itertuples(index=False):
        spell = units.loc[[state]].iloc[-1]
        assert (spell.vote, spell.enter.year, spell.exit.year) == ("yes", year + 1, 1920)


def test_intervals_with_gaps() -> None:
    rows = {"id": ["a", "a", "b", "b"], "start": [0, 6, 0, 3], "stop": [4, 9, 3, 10], "e": [0, 1, 0, 0]}
    with pytest.raises(tc.HistoryError, match="a gap after the row before"):
        tc.from_intervals(rows, unit="id", start="start", stop="stop", event="e")
    model = tc.Model.of("e", "no", "yes")
    for gaps, risk in (("not at risk", 17.0), ("carry", 19.0)):
        history = tc.from_intervals(rows, unit="id", start="start", stop="stop", event="e", gaps=gaps)
        assert model.fit(history).params.iloc[0] == pytest.approx(np.log(1 / risk))


def test_ties_of_units_that_are_never_watched_are_left_out() -> None:
    panel = {
        "s": ["a", "a", "b", "b", "c", "c"],
        "y": [1, 2] * 3,
        "e": [0, 1, 0, 0, 0, 0],
        "x": [1, 2, 3, 4, None, None],
    }
    ties = pd.DataFrame({"layer": "l", "source": ["a", "c", "a"], "target": ["b", "a", "b"], "y": [1, 1, 2]})
    history = tc.from_panel(
        panel,
        unit="s",
        time="y",
        event="e",
        row="start",
        lag=0,
        covariates=["x"],
        missing="not at risk",
        ties=ties,
    )
    assert history.units.unit.tolist() == ["a", "b"]
    assert history.ties[["source", "target", "start", "end"]].values.tolist() == [["a", "b", 1.0, 2.0]]
    rows = history.intake.rows.set_index("table")
    assert rows.loc["panel"].tolist() == [6, 4, 2] and rows.loc["ties"].tolist() == [3, 2, 1]


def test_what_arviz_asks_for() -> None:
    pytest.importorskip("nutpie", reason="needs the extra bayes")
    history = rivals()
    posterior = tc.Model.of("r", "old", "new").sample(history, draws=20, tune=60, chains=1)
    groups = posterior.to_arviz(worlds=30)
    assert {"posterior", "prior", "observed_data", "posterior_predictive"} <= set(groups.children)
    assert groups["observed_data"].events.sel(entered="r=new").values.tolist() == [1, 1, 1]
    drawn = groups["posterior_predictive"].events
    assert drawn.dims == ("chain", "draw", "entered", "unit") and drawn.shape == (1, 30, 1, 3)
    assert drawn.values.sum() == posterior.simulate(worlds=30, seed=1917).events.num_rows
    assert groups["prior"].parameters.shape == (1, 30, 1)
