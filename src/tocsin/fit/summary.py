"""A fit as a page: what was fitted and on what, estimates, shares of causes, statistics, warnings."""

from __future__ import annotations

import html
import math
import textwrap
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.fit.compare import CHECK, NONE, ONLY, RATIO, WALD, half_chi_square
from tocsin.model.declaration import BAR
from tocsin.program.grouped import is_grouped
from tocsin.wording.numbers import noun

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tocsin.fit.estimates import Errors, Fit
    from tocsin.model.learned import Learned

    Floats = NDArray[np.float64]

WIDTH = 110
LABEL = 30  # characters of a label for which there is always room beside the numbers
SPARED = (5, 2, 7, 6)  # exp(estimate), se, note and p: what a narrow page does without, in this order


def estimates(fit: Fit, level: float) -> tuple[list[tuple[str, list[list[str]]]], list[str]]:
    """Return the estimates cause by cause (a heading, and rows of a label and cells), and what they mean."""
    table = fit.summary(level)
    blocks: list[tuple[str, list[list[str]]]] = []
    errors = np.sqrt(np.maximum(np.diag(fit.scaled.vcov), 0.0))
    away = far_levels(fit.values, fit.scaled.scaling.numbers, fit.scaled.vector, errors, level)
    for row in rows(table, fit._status, away):
        if not blocks or blocks[-1][0] != row.cause:
            blocks.append((row.cause, []))
        blocks[-1][1].append([row.label, *row.cells])
    return blocks, [*legend(table, fit.prior is not None, level, fit.learned), *away.values()]


def _head(fit: Fit) -> list[str]:
    what = "Maximum likelihood" if fit.prior is None else f"Penalised likelihood, {fit.prior}"
    lines = [what]
    if fit._search is not None:
        history = fit.history
        clock = history._clock
        ends = [clock.text(end) if history.dated else f"{end:.6g}" for end in (clock.first, clock.last)]
        known = f", by the {noun(history.clock)}" if history.dated or history.grouped else ""
        lines.append(f"History {history.title or history.name}, {ends[0]} to {ends[1]}{known}")
    return lines


def _statistics(fit: Fit) -> list[tuple[str, str]]:
    rows = [("log-likelihood", f"{fit.loglik:.3f}")]
    if fit.loglik_error > 0.0:
        rows.append(("Monte-Carlo error", f"{fit.loglik_error:.2g}"))
    if fit.prior is not None:
        rows.append(("penalised", f"{fit.objective:.3f}"))
    return [
        *rows,
        ("parameters", str(fit.df)),
        ("events", str(fit.nobs)),
        ("AIC", f"{fit.aic:.2f}"),
        ("BIC", f"{fit.bic:.2f}"),
    ]


def columns(level: float) -> list[str]:
    """Return the heads of the table of estimates, that of the labels first."""
    return ["", "estimate", "se", f"lower {level:.0%}", f"upper {level:.0%}", "exp(estimate)", "p", "note"]


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def estimate_lines(
    blocks: list[tuple[str, list[list[str]]]], level: float, width: int | None = None
) -> list[str]:
    """Return the estimates as lines, those of a cause under its name.

    Parameters:
        blocks: as `estimates` returns them.
        width: of the page, in characters. On a narrow one columns are left out, in the order of `SPARED`, and then long
            labels have lines of their own: estimates and their intervals stay whole.
    """
    shown, headings = [columns(level)], {}
    for heading, block in blocks:
        headings[len(shown)] = heading
        shown += [[f"  {row[0]}", *row[1:]] for row in block]
    kept = list(range(len(shown[0])))
    for spared in SPARED:
        numbers = [[row[0][:LABEL], *(row[k] for k in kept[1:])] for row in shown]
        if width is None or max(map(len, _aligned(numbers))) <= width:
            break
        kept.remove(spared)
    shown = [[row[k] for k in kept] for row in shown]
    labels = {}
    if width is not None:
        room = width - max(map(len, _aligned([["", *row[1:]] for row in shown])))
        labels = {place: row[0] for place, row in enumerate(shown) if len(row[0]) > room}
        shown = [["", *row[1:]] if place in labels else row for place, row in enumerate(shown)]
    lines = []
    for place, line in enumerate(_aligned(shown)):
        lines += [
            part for known in (headings, labels) if place in known for part in _folded(known[place], width)
        ]
        lines.append(line)
    return lines


def _folded(text: str, width: int | None) -> list[str]:
    if width is None or len(text) <= width:
        return [text]
    indent = " " * (len(text) - len(text.lstrip()))
    return textwrap.wrap(text.strip(), width, initial_indent=indent, subsequent_indent=indent + "  ")


def _tables(fit: Fit) -> list[tuple[str, list[list[str]]]]:
    """Return the tables of transitions, of causes and of branching, as text."""
    moves = [["transition", "events", "exposure time", "units at risk"]]
    for row in fit.transitions.itertuples(index=False):
        moves.append([str(row.transition), str(row.events), f"{row.exposure:,.1f}", str(row.units)])
    # In grouped time an interval of hazard L has its event with probability 1 - exp(-L) only.
    grouped = fit._search is not None and is_grouped(fit.history)
    causes = [["cause", "events explained", "share", "integrated hazard" if grouped else "expected"]]
    for row in fit.causes.itertuples(index=False):
        name = f"{row.transition}, {row.cause}"
        causes.append([name, f"{row.events:.1f}", f"{row.share:.1%}", f"{row.expected:.1f}"])
    tables = [("Transitions", moves), ("Shares of causes", causes)]
    branching = fit.branching()
    if len(branching):
        rows = [["half-life cause", "half-life", "events set off by one", "lower", "upper"]]
        for row in branching.itertuples(index=False):
            cells = [number(float(str(value))) for value in (row.half_life, row.mass, row.lower, row.upper)]
            rows.append([f"{row.transition}, {row.cause}", *cells])
        tables.append(("Branching (strength x half-life / ln 2)", rows))
    return tables


def as_text(fit: Fit, level: float = 0.95) -> str:
    """Return a fit as text; see `Fit.report`."""
    lines = _head(fit)
    tables = _tables(fit)
    lines += ["", *_aligned(tables[0][1])]
    blocks, meanings = estimates(fit, level)
    lines += ["", *estimate_lines(blocks, level), ""]
    for meaning in meanings:
        lines += textwrap.wrap(meaning, WIDTH, subsequent_indent="  ")
    for title, table in tables[1:]:
        lines += ["", title, *_aligned(table)]
    lines += ["", ", ".join(f"{name} {value}" for name, value in _statistics(fit))]
    for warning in fit.warnings:
        lines += ["", *textwrap.wrap(f"Warning: {warning}", WIDTH, subsequent_indent="  ")]
    return "\n".join(lines) + "\n"


def _html_table(rows: list[list[str]], caption: str) -> str:
    head = "".join(f"<th scope='col'>{html.escape(cell)}</th>" for cell in rows[0])
    body = "".join(
        "<tr>"
        + "".join(
            f"<th scope='row'>{html.escape(cell)}</th>" if not number else f"<td>{html.escape(cell)}</td>"
            for number, cell in enumerate(row)
        )
        + "</tr>"
        for row in rows[1:]
    )
    top = f"<caption>{html.escape(caption)}</caption><thead><tr>{head}</tr></thead>"
    return f"<table>{top}<tbody>{body}</tbody></table>"


def as_html(fit: Fit, level: float = 0.95) -> str:
    """Return a fit as HTML; see `Fit.to_html`."""
    blocks, meanings = estimates(fit, level)
    shown = [["cause", "parameter", *columns(level)[1:]]]
    for heading, block in blocks:
        shown += [[heading, *row] for row in block]
    parts = [f"<p>{html.escape(line)}</p>" for line in _head(fit)]
    tables = _tables(fit)
    parts.append(_html_table(tables[0][1], tables[0][0]))
    parts.append(_html_table(shown, "Estimates"))
    parts += [f"<p>{html.escape(meaning)}</p>" for meaning in meanings]
    parts += [_html_table(table, title) for title, table in tables[1:]]
    parts.append("<p>" + ", ".join(f"{name} {value}" for name, value in _statistics(fit)) + "</p>")
    if fit.warnings:
        parts.append("<ul>" + "".join(f"<li>{html.escape(text)}</li>" for text in fit.warnings) + "</ul>")
    return "<div class='tocsin-fit'>" + "".join(parts) + "</div>"


_TEX = str.maketrans(
    {
        "\\": "\\textbackslash{}", "_": "\\_", "%": "\\%", "&": "\\&", "#": "\\#", "$": "\\$", "{": "\\{",
        "}": "\\}", "<": "$<$", ">": "$>$", "|": "$|$", "^": "\\^{}", "~": "\\~{}",
    }
)  # fmt: skip


def _tex(text: str) -> str:
    return text.translate(_TEX)


def _tex_table(rows: list[list[str]]) -> list[str]:
    body = [" & ".join(_tex(cell) for cell in row) + " \\\\" for row in rows]
    columns = "l" + "r" * (len(rows[0]) - 1)
    begin = [f"\\begin{{tabular}}{{{columns}}}", "\\toprule", body[0], "\\midrule"]
    return [*begin, *body[1:], "\\bottomrule", "\\end{tabular}"]


def as_latex(fit: Fit, level: float = 0.95) -> str:
    """Return a fit as LaTeX tables; see `Fit.to_latex`."""
    head = columns(level)
    width = len(head)
    blocks, meanings = estimates(fit, level)
    lines = ["% needs \\usepackage{booktabs}", f"\\begin{{tabular}}{{l{'r' * (width - 1)}}}", "\\toprule"]
    lines += [" & ".join(_tex(cell) for cell in head) + " \\\\", "\\midrule"]
    for heading, block in blocks:
        lines.append(f"\\multicolumn{{{width}}}{{l}}{{\\emph{{{_tex(heading)}}}}} \\\\")
        lines += [" & ".join(_tex(cell) for cell in row) + " \\\\" for row in block]
    statistics = "; ".join(f"{name} {value}" for name, value in _statistics(fit))
    lines += ["\\midrule", f"\\multicolumn{{{width}}}{{l}}{{{_tex(statistics)}}} \\\\", "\\bottomrule"]
    lines.append("\\end{tabular}")
    lines += ["", *(f"\\par {{\\footnotesize {_tex(meaning)}}}" for meaning in meanings)]
    for _, table in _tables(fit):
        lines += ["", *_tex_table(table)]
    lines += [f"% warning: {warning}" for warning in fit.warnings]
    return "\n".join(lines) + "\n"


# --- The one table of a fit: estimates, standard errors, intervals, and tests of what is asked
#
# Everything that shows a fit reads it: `print(fit)`, `fit.summary()`, `tocsin fit`, the report, HTML and LaTeX.

SHAPES = ("memory", "response")
FAR = 12.0  # from the logarithm of a rate at the means of its terms to that where they are 0

COLUMNS = ("estimate", "se", "lower", "upper", "exp(estimate)", "p", "test")


def summary(fit: Fit, level: float, se: Errors, cluster: Any) -> pd.DataFrame:
    """Return the table of a fit; see `Fit.summary`."""
    import pandas as pd
    from scipy.special import ndtr, ndtri

    z = float(ndtri(0.5 + level / 2))
    names = list(fit.values)
    estimate = np.array(list(fit.values.values()))
    error = np.sqrt(np.maximum(np.diag(fit.covariance(se, cluster).to_numpy()), 0.0))
    plain = np.sqrt(np.maximum(np.diag(fit._vcov), 0.0))
    natural = np.array([name.split(BAR)[2] in SHAPES for name in names])
    with np.errstate(invalid="ignore", divide="ignore"):
        lower, upper = estimate - z * error, estimate + z * error
        p = 2 * ndtr(-np.abs(estimate / error))
        wider = np.where((plain > 0) & (error > 0), error / plain, 1.0)
    test = [WALD] * len(names)
    tests = fit._tests
    for k, name in enumerate(names):
        if name in tests:
            answer = tests[name]
            test[k], p[k] = answer.word, answer.p
            if answer.word == RATIO and wider[k] != 1.0:
                p[k] = half_chi_square(answer.statistic / wider[k] ** 2)
        if natural[k] or error[k] == 0 or (name not in tests and math.isnan(p[k])):
            test[k], p[k] = NONE, math.nan
        if math.isnan(error[k]):
            lower[k], upper[k] = -np.inf, np.inf
        if _is_strength(fit, name):
            lower[k], upper[k] = fit._profile_ends(name, level, float(wider[k]))
    with np.errstate(over="ignore"):
        return pd.DataFrame(
            {
                "estimate": np.where(natural, np.exp(estimate), estimate),
                "se": np.where(natural, np.exp(estimate) * error, error),
                "lower": np.where(natural, np.exp(lower), lower),
                "upper": np.where(natural, np.exp(upper), upper),
                "exp(estimate)": np.where(natural, np.nan, np.exp(estimate)),
                "p": p,
                "test": test,
            },
            index=pd.Index(names, name="parameter"),
        )


def _is_strength(fit: Fit, name: str) -> bool:
    """Say whether a parameter is a strength of a contagion whose interval the profile gives."""
    status = fit._status[name]
    if name.split(BAR)[2] != "susceptibility" or name not in fit._tests:
        return False
    return status in ("free", "tied", "zero")


@dataclass(frozen=True)
class Row:
    """One parameter as it is shown: the cause it belongs to, a label, and cells of text.

    Attributes:
        cells: estimate, standard error, lower, upper, exp(estimate) with its interval, p, note.
    """

    cause: str
    label: str
    cells: tuple[str, ...]


def far_levels(
    values: Mapping[str, float],
    terms: Mapping[str, Sequence[float]],
    scaled: Sequence[float] | Floats,
    errors: Sequence[float] | Floats,
    level: float = 0.95,
) -> dict[str, str]:
    """Return the rates and strengths that say nothing, their terms being 0 far from all that was seen.

    Parameters:
        values: the estimates by name.
        terms: mean and scale of each term, by name; scaled, errors: the scaled estimates and their standard errors.

    Returns:
        By name a sentence with the rate at the mean of its terms.
    """
    from scipy.special import ndtri

    z = float(ndtri(0.5 + level / 2))
    found = {}
    for (name, value), centred, error in zip(values.items(), scaled, errors, strict=True):
        head, role, term = name.rsplit(BAR, 2)
        if term != "1" or not math.isfinite(centred) or not abs(value - centred) > FAR:
            continue
        means = [
            f"{other.rsplit(BAR, 1)[1]} {terms[other][0]:.6g}"
            for other in values
            if other in terms and other.startswith(f"{head}{BAR}") and terms[other][0] != 0.0
        ]
        ends = " to ".join(short(_exp(centred + way * z * error)) for way in (-1.0, 1.0))
        what = "rate" if role == "propensity" else "strength"
        found[name] = (
            f"The {what} of {head.replace(BAR, ', ')} stands where its terms are 0, far from all that was seen; at "
            f"their means ({', '.join(means)}) it is {short(_exp(centred))} ({ends})."
        )
    return found


def far_levels_of(content: Mapping[str, Any], level: float = 0.95) -> dict[str, str]:
    """Return the same of a fit as plain content, as `fit.json` keeps it; nothing of parameters that were given."""
    scaled = content.get("scaled")
    if scaled is None:
        return {}
    values = {name: _float(value) for name, value in content["params"].items()}
    errors = np.sqrt(
        np.maximum(np.diag(np.array(scaled["vcov"], dtype=float).reshape(2 * (len(values),))), 0.0)
    )
    return far_levels(values, scaled["terms"], [_float(value) for value in scaled["params"]], errors, level)


def rows(
    table: pd.DataFrame | Sequence[Mapping[str, Any]],
    status: Mapping[str, str],
    away: Collection[str] = (),
) -> list[Row]:
    """Return the table of a fit as text, one row a parameter.

    Parameters:
        table: what `summary` returns, or its rows as `fit.json` keeps them.
        status: of each parameter; see `Fit.status`.
        away: rates and strengths that are told at the means of their terms; see `far_levels`.
    """
    listed: Sequence[Mapping[str, Any]] = table if isinstance(table, Sequence) else records(table)
    return [_row(each, status.get(str(each["name"]), "free"), str(each["name"]) in away) for each in listed]


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of what `summary` returns as plain values, as `fit.json` keeps them."""
    return [
        {"name": str(name), **{column: row[column] for column in COLUMNS}} for name, row in table.iterrows()
    ]


def _row(values: Mapping[str, Any], status: str, away: bool) -> Row:
    *transition, cause, role, term = str(values["name"]).split(BAR)
    estimate, se, lower, upper, natural, p = (_float(values.get(column)) for column in COLUMNS[:6])
    test = str(values.get("test") or NONE)
    shape = role in SHAPES
    label = term if shape else f"{role}: {term}"
    if term == "1":
        label = "rate" if role == "propensity" else "strength"
    known = status not in ("not identified", "at a bound")
    note = status if status != "free" else ""
    if test == ONLY:
        note = f"{note}, {ONLY}" if note else ONLY
    cells = [number(estimate), "", "", "", "", ""]
    if known and status != "fixed":
        cells[1:4] = [number(se), number(lower), number(upper)]
    if away:
        cells[4] = "see below"
    elif not shape and status != "not identified":
        cells[4] = short(natural)
        if cells[2] or cells[3]:
            cells[4] += f" ({short(_exp(lower))} to {short(_exp(upper))})"
    cells[5] = CHECK if test == CHECK else p_value(p)
    return Row(f"{BAR.join(transition)}, {cause}", label, (*cells, note))


def legend(
    table: pd.DataFrame | Sequence[Mapping[str, Any]],
    penalised: bool,
    level: float = 0.95,
    learned: Learned | None = None,
) -> list[str]:
    """Return sentences that say what the columns of a table mean; those that it needs."""
    from scipy.special import ndtri

    listed: Sequence[Mapping[str, Any]] = table if isinstance(table, Sequence) else records(table)
    named = [(str(row["name"]), str(row.get("test") or NONE)) for row in listed]
    words = {word for _, word in named}
    lines = []
    strengths = any(name.split(BAR)[2] == "susceptibility" and word != WALD for name, word in named)
    if strengths:
        lines.append(
            "Intervals of strengths: profile likelihood, from none (-inf as a logarithm, 0 as a strength) "
            "where the data allow it; of all else: Wald."
        )
    if WALD in words:
        lines.append(
            "p of a coefficient: Wald, against 0"
            + (", of an estimate that the prior draws towards 0." if penalised else ".")
        )
    if RATIO in words:
        one, two = float(ndtri(level)) ** 2, float(ndtri(0.5 + level / 2)) ** 2
        lines.append(
            "p of a strength: likelihood ratio against no contagion, one-sided (half chi-square; Self & Liang "
            f"1987), while intervals are two-sided: between a ratio of {one:.2f} and {two:.2f} p is below "
            f"{f'{1 - level:.3g}'.lstrip('0')} while the {level:.0%} interval holds 0."
        )
    if CHECK in words:
        lines.append(
            "see check: several strengths lie at the edge, or a half-life, alpha or covariate means nothing "
            "without the cause; fit.check() or tocsin check finds p by a parametric bootstrap."
        )
    if ONLY in words:
        lines.append("only cause: without it nothing could happen, so there is no null and no p.")
    references = {} if learned is None else learned.references
    if references:
        beside = ", ".join(f"{name} with {reference}" for name, reference in references.items())
        lines.append(f"Levels are compared with the reference of their category: {beside}.")
    if penalised and strengths:
        lines.append("Under a prior of its logarithm a strength is never none, so it has no p.")
    return lines


def _float(value: Any) -> float:
    return math.nan if value is None else float(value)


def _exp(value: float) -> float:
    return math.inf if value > 700.0 else math.exp(value)


def number(value: float) -> str:
    """Return a number of the table as text; nothing where there is none."""
    if math.isnan(value):
        return ""
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return f"{value:.3f}" if 0.1 <= abs(value) < 1e5 or not value else f"{value:.4g}"


def short(value: float) -> str:
    """Return a rate or a factor as text, to three digits."""
    if math.isnan(value):
        return ""
    if math.isinf(value):
        return "inf"
    return f"{value:.3g}"


def p_value(value: float) -> str:
    """Return a p-value as text."""
    return "" if math.isnan(value) else "<0.001" if value < 0.001 else f"{value:.3f}"
