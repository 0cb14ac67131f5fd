"""Special terms of a formula: the age of a state and the exposure, cut out before formulaic sees the text.

Two things that a hazard may depend on change with the course of events, and are no columns of a table:
`time_in_state`, how long the unit has been in its state, and `exposure(LAYER, CLAUSE)`, the ties from sources in
the states of a clause. Each stands alone, or in one of the forms of `FORMS`, and may be multiplied by static terms:

    1 + food_crisis + pieces(time_in_state, 7, 30, 90)
    1 + war * log1p(exposure(border, regime=soviet, normalise=target))

`cut_special(formula)` replaces every such call by one quoted name, so that all that is left is a formula of the
usual kind, in which a special term is a factor like any other:

    cut = cut_special("1 + x * log(time_in_state)")
    cut.formula     # "1 + x * `log(time_in_state)`"
    cut.specials    # (Special(what="time_in_state", form="log", ...),)
    cut.remainder   # "1 + x", what does not change with the course of events
    cut.terms       # ((special, ""), (special, "x")): each special term with what multiplies it

A program evaluates `cut.formula` on frames in which the quoted name is a column: of ones where the special term is a
number (`plain`, `log`, `log1p`, `above`, which is 0 or 1), so that the columns of the matrix in which it stands are
what multiplies that number; a category with `special.levels` under `pieces`, as if it were a state variable.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from tocsin.errors import ModelError, suggestion
from tocsin.model.terms import names_of, term_name, terms_of

AGE = "time_in_state"

EXPOSURE = "exposure"

FORMS = {AGE: ("log", "pieces"), EXPOSURE: ("log1p", "above", "pieces")}

UNKNOWN = "unknown"  # the level of ages that nobody knows

_FOUND = re.compile(rf"`[^`\n]*`|(?<!\w)(?:(?P<age>{AGE})(?!\w)|(?P<exposure>{EXPOSURE})(?=\s*\())")

_WRAPPER = re.compile(r"(?<!\w)([^\W\d]\w*)\s*\(\s*$")

_OPTION = re.compile(r"\s*(\w+)\s*=\s*(.+?)\s*")


@dataclass(frozen=True)
class Special:
    """A special term: what changes with the course of events, and the form in which a formula has it.

    Attributes:
        what: ``time_in_state`` or ``exposure``.
        form: ``plain``, ``log``, ``log1p``, ``above`` or ``pieces``.
        cuts: where pieces begin, or the bound of ``above``.
        unknown: of an age: ``level`` (unknown ages have a level of their own) or ``entry`` (they are counted from
            where the unit is first seen).
        layer, clause, normalise, mark: of an exposure, as in `contagion`; mark is a covariate of the source.
    """

    what: str
    form: str
    cuts: tuple[float, ...] = ()
    unknown: Literal["level", "entry"] = "level"
    layer: str = ""
    clause: str = ""
    normalise: str | None = None
    mark: str | None = None

    @property
    def inside(self) -> str:
        """Return what it is, in one way of writing: ``exposure(border, regime=soviet)``."""
        if self.what == AGE:
            return AGE
        options = [
            f"{key}={value}" for key, value in (("normalise", self.normalise), ("mark", self.mark)) if value
        ]
        return f"{EXPOSURE}({', '.join([self.layer, self.clause, *options])})"

    @property
    def name(self) -> str:
        """Return what parameters call it; one with levels by what it is, and each of them in square brackets."""
        if self.form in ("plain", "pieces"):
            return self.inside
        return f"{self.form}({', '.join([self.inside, *(f'{cut:g}' for cut in self.cuts)])})"

    @property
    def levels(self) -> tuple[str, ...]:
        """Return the names of its levels, the reference first; empty where it is a number."""
        if self.form != "pieces":
            return ()
        edges = ["0", *(f"{cut:g}" for cut in self.cuts)]
        if self.cuts[0] == 0.0:
            return ("0", *(f"{low}-{high}" for low, high in pairwise(edges[1:])), f"{edges[-1]}+")
        return (*(f"{low}-{high}" for low, high in pairwise(edges)), f"{edges[-1]}+")


@dataclass(frozen=True)
class CutFormula:
    """A formula whose special terms are quoted names.

    Attributes:
        formula: the formula with one quoted name for each special term.
        specials: the special terms, in the order in which they are named.
    """

    formula: str
    specials: tuple[Special, ...]

    @property
    def terms(self) -> tuple[tuple[Special, str], ...]:
        """Return every term that holds a special one: the special term, and what multiplies it (else empty)."""
        by_name = {special.name: special for special in self.specials}
        found = []
        for term in terms_of(self.formula).terms if self.specials else ():
            for factor, _ in term:
                if factor in by_name:
                    rest = tuple(each for each in term if each[0] != factor)
                    found.append((by_name[factor], term_name(rest) if rest else ""))
        return tuple(found)

    @property
    def remainder(self) -> str:
        """Return the formula without the terms that hold a special one."""
        if not self.specials:
            return self.formula
        names = {special.name for special in self.specials}
        terms = terms_of(self.formula)
        static = [term_name(term) for term in terms.terms if names.isdisjoint(factor for factor, _ in term)]
        return " + ".join(["1" if terms.intercept else "0", *static])


@lru_cache(maxsize=1024)
def cut_special(formula: str) -> CutFormula:
    """Return a formula with its special terms cut out.

    Parameters:
        formula: the text, such as ``1 + x * log(time_in_state)``.

    Raises:
        ModelError: a special term in a form that it may not have, two ages, or one that is raised to a power.
    """
    parts, specials = [], dict[str, Special]()
    done = 0
    for match in _FOUND.finditer(formula):
        if match.lastgroup is None or match.start() < done:
            continue  # a quoted name, or inside of a call that is done
        begin, end, special = _read(formula, match)
        known = specials.setdefault(special.name, special)
        if known != special:
            raise _refuse(formula, f"has {special.name!r} in two forms: leave one out")
        parts += [formula[done:begin], f"`{special.name}`"]
        done = end
    cut = CutFormula("".join([*parts, formula[done:]]), tuple(specials.values()))
    if cut.specials:
        _check(formula, cut)
    return cut


def _refuse(formula: str, why: str) -> ModelError:
    return ModelError(f"the formula {formula!r} {why}")


def _check(formula: str, cut: CutFormula) -> None:
    """Refuse two ages, and special terms inside of functions, in powers or multiplied by one another."""
    ages = [special.name for special in cut.specials if special.what == AGE]
    if len(ages) > 1:
        raise _refuse(
            formula, f"has two terms of age, {ages[0]!r} and {ages[1]!r}: a cause takes one, leave one out"
        )
    special = {each.name for each in cut.specials}
    terms = terms_of(cut.formula)
    lost = [name for name in special if not any(factor == name for term in terms.terms for factor, _ in term)]
    inside = {name for node in terms.factors.values() if node.kind == "call" for name in names_of(node)}
    if lost and lost[0] not in inside:
        raise _refuse(formula, f"names {lost[0]!r} and takes it away: leave both out")
    for text, node in terms.factors.items():
        held = special.intersection(names_of(node)) if node.kind == "call" else set()
        if held:
            raise _refuse(
                formula, f"has {min(held)!r} inside {text.replace('`', '')!r}: " + _allowed(min(held))
            )
    for term in terms.terms:
        powers = [(factor, power) for factor, power in term if factor in special]
        if len(powers) > 1 or any(power > 1 for _, power in powers):
            said = term_name(term)
            raise _refuse(formula, f"has the term {said!r}: " + _allowed(powers[0][0]))


def _allowed(what: str) -> str:
    """Return the sentence that says how a special term may stand."""
    kind = EXPOSURE if EXPOSURE in what else AGE
    inside = "exposure(...)" if kind == EXPOSURE else AGE
    rest = {"log": f"log({inside})", "log1p": f"log1p({inside})", "above": f"above({inside}, 2)"}
    forms = ", ".join(rest.get(form, f"pieces({inside}, 7, 30)") for form in FORMS[kind])
    return f"it stands alone or times static terms, as {inside}, {forms}"


def _read(formula: str, match: re.Match[str]) -> tuple[int, int, Special]:
    """Return where a special term begins and ends in a formula, and what it is."""
    what = AGE if match.lastgroup == "age" else EXPOSURE
    begin, end = match.span()
    opens = re.compile(r"\s*\(").match(formula, end)
    held: list[str] = []
    if opens is not None:
        held, end = _arguments(formula, opens.end())
    wrapper = _WRAPPER.search(formula, 0, begin)
    form, further = "plain", list[str]()
    if wrapper is not None:
        form = wrapper.group(1)
        if form not in FORMS[what]:
            raise _refuse(
                formula, f"has {what} inside {form}(...){suggestion(form, FORMS[what])}: " + _allowed(what)
            )
        rest, after = _arguments(formula, end)
        if rest and rest[0]:
            raise _refuse(formula, f"has arithmetic beside {what} inside {form}(...): " + _allowed(what))
        begin, end, further = wrapper.start(), after, rest[1:]
    plain, options = _options(formula, [*further] if what == EXPOSURE else [*held, *further])
    if what == AGE:
        return begin, end, _age(formula, form, plain, options, bool(held))
    if options:
        raise _refuse(formula, f"gives {form}(...) the option {min(options)!r}, which it does not know")
    return begin, end, _exposure(formula, form, _cuts(formula, form, plain, True), held)


def _age(formula: str, form: str, plain: list[str], options: dict[str, str], called: bool) -> Special:
    """Return the age that a formula names."""
    if called and plain and not _is_number(plain[0]):
        raise _refuse(
            formula,
            f"asks for {AGE}({plain[0]}), the age of another variable's state, which is not possible yet: "
            f"write {AGE}, the age of the state that the transition leaves",
        )
    for key in options:
        if key != "unknown":
            raise _refuse(formula, f"gives {AGE} the option {key!r}" + suggestion(key, ["unknown"]))
    unknown = options.get("unknown", "level")
    if unknown not in ("level", "entry"):
        raise _refuse(
            formula,
            f"says unknown={unknown!r} of {AGE}: write unknown='entry' to count unknown ages from where a unit is "
            "first seen, or leave it out to give them a level of their own",
        )
    return Special(AGE, form, _cuts(formula, form, plain, False), "entry" if unknown == "entry" else "level")


def _exposure(formula: str, form: str, cuts: tuple[float, ...], held: list[str]) -> Special:
    """Return the exposure that a formula names."""
    first = [each for each in held[:2] if each]
    if len(first) < 2 or _is_option(held[1], ("normalise", "mark")):
        raise _refuse(
            formula,
            "has an exposure without a layer or without a clause: write exposure(border, regime=soviet)",
        )
    plain, options = _options(formula, held[2:])
    if plain:
        raise _refuse(
            formula, f"has {plain[0]!r} in an exposure, after its layer and its clause: join clauses by 'and'"
        )
    for key in options:
        if key not in ("normalise", "mark"):
            raise _refuse(
                formula, f"gives an exposure the option {key!r}" + suggestion(key, ["normalise", "mark"])
            )
    normalise, mark = options.get("normalise"), options.get("mark")
    if normalise not in (None, "target"):
        raise _refuse(
            formula, f"says normalise={normalise!r} of an exposure: write normalise=target, or nothing"
        )
    clause = re.sub(r"\s*([=|])\s*", r"\1", " ".join(_bare(held[1]).split()))
    return Special(EXPOSURE, form, cuts, "level", _bare(held[0]), clause, normalise, mark)


def _cuts(formula: str, form: str, given: list[str], exposure: bool) -> tuple[float, ...]:
    """Return the numbers that a form takes; raise ModelError where they are none, too many, or out of order."""
    if form not in ("pieces", "above"):
        if given:
            raise _refuse(formula, f"has {given[0]!r} where {form}(...) takes nothing further")
        return ()
    for each in given:
        if not _is_number(each):
            raise _refuse(formula, f"has {each!r} in {form}(...), where a number belongs")
    cuts = tuple(float(each) for each in given)
    if not cuts or (form == "above" and len(cuts) > 1):
        raise _refuse(
            formula,
            f"gives {form}(...) {len(cuts)} numbers: " + _allowed(EXPOSURE if exposure else AGE),
        )
    low = -1.0 if exposure else 0.0  # an exposure may be none at all
    if (
        not all(math.isfinite(cut) for cut in cuts)
        or any(a >= b for a, b in pairwise((low, *cuts)))
        or cuts[0] < 0
    ):
        raise _refuse(
            formula, f"has {form}(...) with {', '.join(given)}: its numbers are above zero and increase"
        )
    return cuts


def _arguments(formula: str, begin: int) -> tuple[list[str], int]:
    """Return the arguments up to the bracket that closes, and the place after it; commas in quotes divide nothing."""
    depth, quote, place, found = 0, "", begin, [""]
    while place < len(formula):
        sign = formula[place]
        place += 1
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"`":
            quote = sign
        elif sign == ")" and depth == 0:
            return [each.strip() for each in found], place
        elif sign in "()":
            depth += 1 if sign == "(" else -1
        elif sign == "," and depth == 0:
            found.append("")
            continue
        found[-1] += sign
    raise _refuse(formula, "has a bracket that is never closed: its brackets do not match")


def _options(formula: str, given: list[str]) -> tuple[list[str], dict[str, str]]:
    """Return the arguments without a name, and those with one."""
    plain: list[str] = []
    options: dict[str, str] = {}
    for each in given:
        match = _OPTION.fullmatch(each)
        if match is None:
            plain += [each] if each or len(given) > 1 else []
        elif match.group(1) in options:
            raise _refuse(formula, f"gives {match.group(1)}= twice")
        else:
            options[match.group(1)] = _bare(match.group(2))
    return plain, options


def _is_option(text: str, keys: tuple[str, ...]) -> bool:
    match = _OPTION.fullmatch(text)
    return match is not None and match.group(1) in keys


def _bare(text: str) -> str:
    """Return a text without the quotes around it."""
    text = text.strip()
    return text[1:-1].strip() if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"`" else text


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?", text) is not None


def special_names(cut: CutFormula) -> Iterator[str]:
    """Yield the names of covariates that special terms use: the marks of exposures."""
    return (special.mark for special in cut.specials if special.mark is not None)


# --- The age of a state as columns of a frame: one value for each of its levels


UNKNOWN_TERM = f"{AGE}[{UNKNOWN}]"


def age_of(formula: str) -> Special | None:
    """Return the age that a formula names, or None."""
    return next((each for each in cut_special(formula).specials if each.what == AGE), None)


def age_formula(formula: str, unknown: bool) -> str:
    """Return a formula with its special terms cut out, and with a term for ages that nobody knows.

    Parameters:
        unknown: whether some ages are unknown. They are a level of pieces; where the age is a number they have a
            level beside it, and its own terms are zero.
    """
    age, cut = age_of(formula), cut_special(formula).formula
    return f"{cut} + `{UNKNOWN_TERM}`" if unknown and age is not None and age.form != "pieces" else cut


def age_columns(age: Special, unknown: bool) -> dict[str, list[str] | list[float]]:
    """Return the columns that `age_formula` reads, with a value for each level of the age: those of pieces, or the
    known ages alone; where some are unknown, these last."""
    if age.form == "pieces":
        return {age.name: [*age.levels, *([UNKNOWN] if unknown else [])]}
    return {age.name: [1.0, 0.0], UNKNOWN_TERM: [0.0, 1.0]} if unknown else {age.name: [1.0]}
