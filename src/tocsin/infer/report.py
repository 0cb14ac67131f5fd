"""A fit as a page: what was fitted and on what, estimates, shares of causes, statistics, warnings."""

from __future__ import annotations

import html
import textwrap
from typing import TYPE_CHECKING

import numpy as np

from tocsin.model.declaration import BAR
from tocsin.program.grouped import is_grouped

if TYPE_CHECKING:
    from tocsin.infer.estimates import Fit

WIDTH = 110


def _number(value: float) -> str:
    if np.isnan(value):
        return ""
    if np.isinf(value):
        return "inf" if value > 0 else "-inf"
    return f"{value:.3f}" if 0.1 <= abs(value) < 1e5 or not value else f"{value:.4g}"


def _p(value: float) -> str:
    return "" if np.isnan(value) else "<0.001" if value < 0.001 else f"{value:.3f}"


def estimates(fit: Fit, level: float) -> list[tuple[str, list[list[str]]]]:
    """Return the estimates cause by cause: a heading, and rows of role, term and cells.

    Cells: estimate, standard error, interval, p, and a note on what is not free. The strength of a
    contagion is shown as it is, with the interval that the logarithm gives.
    """
    table = fit.summary(level)
    blocks: list[tuple[str, list[list[str]]]] = []
    for name, row in table.iterrows():
        transition, cause, role, term = str(name).split(BAR)
        heading = f"{transition}, {cause}"
        if not blocks or blocks[-1][0] != heading:
            blocks.append((heading, []))
        status = fit.status[str(name)]
        cells = [row["estimate"], row["se"], row["lower"], row["upper"]]
        label, p = f"{role}: {term}", row["p"]
        if term == "1":
            with np.errstate(over="ignore"):
                cells = [np.exp(cells[0]), np.exp(cells[0]) * cells[1], np.exp(cells[2]), np.exp(cells[3])]
            label, p = ("rate" if role == "propensity" else "strength"), np.nan
        elif role in ("memory", "response"):
            label = term
        if status == "zero":
            cells[0], cells[1], cells[2] = 0.0, np.nan, np.nan
        if status in ("not identified", "at a bound"):
            cells = [cells[0], np.nan, np.nan, np.nan]
            p = np.nan
        if status == "fixed":
            cells[1:] = [np.nan, np.nan, np.nan]
        shown = [label, *(_number(cell) for cell in cells), _p(p), "" if status == "free" else status]
        blocks[-1][1].append(shown)
    return blocks


def _head(fit: Fit) -> list[str]:
    what = "Maximum likelihood" if fit.prior is None else f"Penalised likelihood, {fit.prior}"
    lines = [what]
    if fit._search is not None:
        history = fit.history
        clock = history._clock
        ends = [clock.text(end) if history.dated else f"{end:.6g}" for end in (clock.first, clock.last)]
        known = f", by the {history.clock}" if history.dated else ""
        lines.append(f"History {history.title or history.name}, {ends[0]} to {ends[1]}{known}")
    return lines


def _statistics(fit: Fit) -> list[tuple[str, str]]:
    rows = [("log-likelihood", f"{fit.loglik:.3f}")]
    if fit.prior is not None:
        rows.append(("penalised", f"{fit.objective:.3f}"))
    return [
        *rows,
        ("parameters", str(fit.df)),
        ("events", str(fit.nobs)),
        ("AIC", f"{fit.aic:.2f}"),
        ("BIC", f"{fit.bic:.2f}"),
    ]


def _columns(level: float) -> list[str]:
    return ["", "estimate", "se", f"lower {level:.0%}", f"upper {level:.0%}", "p", ""]


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _tables(fit: Fit) -> list[tuple[str, list[list[str]]]]:
    """Return the tables of transitions, of causes and of branching, as text."""
    moves = [["transition", "events", "exposure time", "units at risk"]]
    for row in fit.transitions.itertuples(index=False):
        moves.append([str(row.transition), str(row.events), f"{row.exposure:,.1f}", str(row.units)])
    # By month or year an interval of hazard L has its event with probability 1 - exp(-L) only.
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
            cells = [_number(float(str(value))) for value in (row.half_life, row.mass, row.lower, row.upper)]
            rows.append([f"{row.transition}, {row.cause}", *cells])
        tables.append(("Branching (strength x half-life / ln 2)", rows))
    return tables


def as_text(fit: Fit, level: float = 0.95) -> str:
    """Return a fit as text; see `Fit.report`."""
    lines = _head(fit)
    tables = _tables(fit)
    lines += ["", *_aligned(tables[0][1])]
    rows = [_columns(level)]
    headings: dict[int, str] = {}
    for heading, block in estimates(fit, level):
        headings[len(rows)] = heading
        rows += [[f"  {row[0]}", *row[1:]] for row in block]
    lines.append("")
    for number, line in enumerate(_aligned(rows)):
        if number in headings:
            lines.append(headings[number])
        lines.append(line)
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
    rows = [["cause", "parameter", *_columns(level)[1:-1], "note"]]
    for heading, block in estimates(fit, level):
        rows += [[heading, *row] for row in block]
    parts = [f"<p>{html.escape(line)}</p>" for line in _head(fit)]
    tables = _tables(fit)
    parts.append(_html_table(tables[0][1], tables[0][0]))
    parts.append(_html_table(rows, "Estimates"))
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
    width = len(_columns(level))
    columns = _columns(level)
    columns[-1] = "note"
    lines = ["% needs \\usepackage{booktabs}", f"\\begin{{tabular}}{{l{'r' * (width - 1)}}}", "\\toprule"]
    lines += [" & ".join(_tex(cell) for cell in columns) + " \\\\", "\\midrule"]
    for heading, block in estimates(fit, level):
        lines.append(f"\\multicolumn{{{width}}}{{l}}{{\\emph{{{_tex(heading)}}}}} \\\\")
        lines += [" & ".join(_tex(cell) for cell in row) + " \\\\" for row in block]
    statistics = "; ".join(f"{name} {value}" for name, value in _statistics(fit))
    lines += ["\\midrule", f"\\multicolumn{{{width}}}{{l}}{{{_tex(statistics)}}} \\\\", "\\bottomrule"]
    lines.append("\\end{tabular}")
    for _, table in _tables(fit):
        lines += ["", *_tex_table(table)]
    lines += [f"% warning: {warning}" for warning in fit.warnings]
    return "\n".join(lines) + "\n"
