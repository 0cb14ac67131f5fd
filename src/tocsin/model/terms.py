"""The text of a formula as its terms: which factors each has, and how often.

Formulaic reads ``x**2``, ``x*x`` and ``x:x`` as ``x`` and drops the square. Here they are read as what they
say: a number times itself is its square, ``a*b`` is ``a + b + a:b``, and the power of a sum is the sum times
itself. Nothing is dropped: what adds nothing, or takes away what is not there, is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from tocsin.errors import ModelError, suggestion

FUNCTIONS = ("C", "log", "log1p", "log2", "log10", "exp", "expm1", "sqrt", "abs")

# Transforms that learn from the history that is fitted, and the options that each takes.
TRANSFORMS = {"poly": ("degree",), "bs": ("df", "degree"), "center": (), "scale": (), "pieces": ("every",)}

DEEPEST = 20

MOST_TERMS = 2000

LONGEST_CHAIN = 50

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)|(?P<quoted>`[^`\n]+`)|(?P<name>[^\W\d]\w*)"
    r"|(?P<power>\*\*|\^)|(?P<sign>[-+*/:()])|(?P<comma>[,=]))"
)

Token = tuple[str, str]

Term = tuple[tuple[str, int], ...]  # factors, each with its power; the empty one is the intercept

Same = frozenset[tuple[str, int]]  # a term whatever the order of its factors


def _strange(formula: str, sign: str) -> ModelError:
    return ModelError(
        f"the formula {formula!r} holds {sign!r}, which formulas may not: use names, numbers, + - * / : ** ( ) and the "
        "functions " + ", ".join((*FUNCTIONS, *TRANSFORMS))
    )


def tokens_of(formula: str) -> list[Token]:
    """Return the kind and the text of every token of a formula; raise ModelError for what none may hold."""
    found, position = [], 0
    text = formula.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _strange(formula, text[position:].strip()[:1])
        kind = str(match.lastgroup)
        found.append((kind, match.group(kind)))
        position = match.end()
    return found


@dataclass(frozen=True)
class Node:
    """A part of a formula: a name, a number, a call, or an operator with its operands.

    Attributes:
        kind: ``name``, ``number``, ``call``, or an operator: ``+ - * / : **``, and ``()`` for brackets.
        text: as it is written (a name without its quotes; a call as it is evaluated).
        parts: the operands.
        power: the exponent.
        inside: the name that a call of C holds.
        function, argument, numbers, options: of a transform that learns, such as ``bs(log(x), df=4)``.
    """

    kind: str
    text: str
    parts: tuple[Node, ...] = ()
    power: int = 1
    inside: str = ""
    function: str = ""
    argument: str = ""
    numbers: tuple[float, ...] = ()
    options: Mapping[str, float] = field(default_factory=dict)


@dataclass
class Terms:
    """The terms of a formula.

    Attributes:
        intercept: whether there is one.
        terms: the further terms, in the order in which they are named.
        factors: every factor by its text.
    """

    intercept: bool
    terms: list[Term] = field(default_factory=list)
    factors: dict[str, Node] = field(default_factory=dict)


class _Parser:
    def __init__(self, formula: str) -> None:
        self.formula = formula
        self.tokens = tokens_of(formula)
        self.place = 0
        self.depth = 0

    def refuse(self, why: str) -> ModelError:
        return ModelError(f"the formula {self.formula!r} {why}")

    @property
    def next(self) -> Token:
        return self.tokens[self.place] if self.place < len(self.tokens) else ("end", "")

    def take(self) -> Token:
        token = self.next
        self.place += 1
        return token

    def whole(self) -> Node:
        if not self.tokens:
            raise ModelError("a formula is empty; write '1' for an intercept alone")
        node = self.sum()
        if self.next[1] == ")":
            raise self.refuse("has a bracket that closes and none that opens: its brackets do not match")
        if self.next[0] == "comma":
            raise _strange(self.formula, self.next[1])
        if self.next[0] != "end":
            raise self.refuse(f"lacks a sign between {self.tokens[self.place - 1][1]!r} and {self.next[1]!r}")
        return node

    def sum(self) -> Node:
        parts = []
        sign = self.take()[1] if self.next[1] in ("+", "-") else "+"
        while True:
            parts.append(Node(sign, sign, (self.chain(("*", "/"), lambda: self.chain((":",), self.powers)),)))
            if self.next[1] not in ("+", "-"):
                return Node("sum", "", tuple(parts))
            sign = self.take()[1]

    def chain(self, signs: tuple[str, ...], lower: Callable[[], Node]) -> Node:
        node = lower()
        length = 1
        while self.next[1] in signs:
            sign = self.take()[1]
            node = Node(sign, sign, (node, lower()))
            length += 1
            if length > LONGEST_CHAIN:
                raise self.refuse(f"multiplies more than {LONGEST_CHAIN} factors")
        return node

    def powers(self) -> Node:
        node = self.atom()
        while self.next[0] == "power":
            self.take()
            kind, text = self.take()
            if kind != "number" or text not in ("1", "2", "3"):
                raise self.refuse("may raise only to the powers 1, 2 and 3")
            node = Node("**", text, (node,), int(text))
        return node

    def atom(self) -> Node:
        kind, text = self.take()
        if kind == "number":
            return Node("number", text)
        if kind in ("name", "quoted") and self.next[1] == "(":
            return self.call(text.strip("`"))
        if kind in ("name", "quoted"):
            return Node("name", text.strip("`"))
        if text != "(":
            before = self.tokens[self.place - 2][1] if self.place > 1 else ""
            where = f"after {before!r}" if before else "at its beginning"
            if text == ")" and self.depth == 0:
                raise self.refuse("has a bracket that closes and none that opens: its brackets do not match")
            raise self.refuse(f"lacks a term {where}")
        self.deeper()
        node = self.sum()
        self.close()
        return Node("()", "", (node,))

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.refuse("nests its brackets too deep")

    def close(self) -> None:
        self.depth -= 1
        kind, text = self.take()
        if kind == "end":
            raise self.refuse("has a bracket that is never closed: its brackets do not match")
        if kind == "comma":
            raise _strange(self.formula, text)
        if text != ")":
            raise self.refuse(f"lacks a sign between {self.tokens[self.place - 2][1]!r} and {text!r}")

    def call(self, function: str) -> Node:
        if function in TRANSFORMS:
            return self.transform(function)
        if function not in FUNCTIONS:
            known = (*FUNCTIONS, *TRANSFORMS, "exposure", "above")  # those of `special_terms`
            raise self.refuse(f"calls {function!r}, which formulas may not{suggestion(function, known)}")
        self.take()
        first = self.place
        self.deeper()
        self.sum()  # what a function holds is arithmetic of the same form
        self.close()
        held = self.tokens[first : self.place - 1]
        if any(text in TRANSFORMS and after[1] == "(" for (_, text), after in pairwise(held)):
            raise self.refuse(f"has a transform that learns inside {function}(...): such a term stands alone")
        if any(text == ":" for _, text in held):
            raise self.refuse(f"has a ':' inside {function}(...), where arithmetic stands: write '*'")
        if any(token == ("name", "C") and after[1] == "(" for token, after in pairwise(held)):
            raise self.refuse(f"has a category C(...) inside {function}(...)")
        if function != "C":
            return Node("call", f"{function}({''.join(_arithmetic(held))})")
        if len(held) != 1 or held[0][0] == "number":
            raise self.refuse("takes as a category what is no name: C(...) holds one name")
        name = held[0][1].strip("`")
        return Node("call", f"C({name})", inside=name)

    def transform(self, function: str) -> Node:
        """Read a transform that learns: what it bends, then numbers and options."""
        self.take()
        first = self.place
        self.deeper()
        self.sum()
        held = self.tokens[first : self.place]
        if any(text in (":", "C", *TRANSFORMS) for _, text in held):
            raise self.refuse(
                f"has inside {function}(...) what is no number: it bends one covariate, or arithmetic"
            )
        numbers: list[float] = []
        options: dict[str, float] = {}
        while self.next[1] == ",":
            self.take()
            key = self.take()[1] if self.next[0] == "name" else ""
            if key and (key not in TRANSFORMS[function] or key in options or self.take()[1] != "="):
                near = suggestion(key, TRANSFORMS[function])
                raise self.refuse(f"gives {function}(...) the option {key!r}, which it does not take{near}")
            sign = -1.0 if self.next[1] == "-" and self.take() else 1.0
            kind, text = self.take()
            if kind != "number":
                raise self.refuse(f"has {text!r} in {function}(...), where a number belongs")
            if key:
                options[key] = sign * float(text)
            else:
                numbers.append(sign * float(text))
        self.close()
        argument = "".join(_arithmetic(held))
        said = [argument, *(f"{each:g}" for each in numbers), *(f"{k}={v:g}" for k, v in options.items())]
        node = Node(
            "call", f"{function}({', '.join(said)})", (), 1, "", function, argument, tuple(numbers), options
        )
        wrong = _wrong(node)
        if wrong:
            raise self.refuse(f"has {node.text}: {wrong}")
        if function == "poly" and numbers:
            return replace(node, numbers=(), options={"degree": numbers[0]})
        return node


def _wrong(node: Node) -> str:
    """Say what is wrong with the numbers of a transform; empty if nothing."""
    count, options = len(node.numbers), node.options
    if node.function == "pieces":
        if bool(count) == bool(options):
            return "say where pieces begin, pieces(x, 10, 20), or how wide they are, pieces(x, every=30)"
        rising = all(a < b for a, b in pairwise(node.numbers))
        return (
            ""
            if rising and options.get("every", 1.0) > 0
            else "its numbers increase, and a width is above zero"
        )
    if node.function == "poly":
        given = [*node.numbers, *options.values()]
        fits = len(given) == 1 and given[0] in range(1, 11)
        return "" if fits else "it takes one degree from 1 to 10, as poly(x, 2)"
    if count:
        return (
            "its numbers need names, as bs(x, df=4)"
            if node.function == "bs"
            else "it takes nothing beside a covariate"
        )
    whole = all(value == int(value) and 1 <= value <= 50 for value in options.values())
    return "" if whole else "df and degree are whole numbers from 1 to 50"


def _arithmetic(tokens: list[Token]) -> Iterator[str]:
    """Return the text of the inside of a function, where ^ is a power and signs stand between blanks."""
    before = ""
    for kind, text in tokens:
        unary = before in ("", "(", "+", "-", "*", "/", "**")
        if kind == "power":
            yield "**"
            before = "**"
            continue
        yield f" {text} " if text in ("+", "-", "*", "/") and not unary else text
        before = text


def parse(formula: str) -> Node:
    """Return the tree of a formula.

    Raises:
        ModelError: a sign, function or number that is not allowed, or brackets that do not match.
    """
    return _Parser(formula).whole()


def names_of(node: Node) -> Iterator[str]:
    """Yield the names that a formula uses, in the order in which they stand."""
    if node.kind == "name":
        yield node.text
    elif node.inside:
        yield node.inside
    elif node.kind == "call":
        for (kind, text), (_, after) in pairwise([*tokens_of(node.argument or node.text), ("end", "")]):
            if kind == "quoted" or (kind == "name" and after != "("):
                yield text.strip("`")
    for part in node.parts:
        yield from names_of(part)


def transforms_of(formula: str) -> dict[str, Node]:
    """Return the transforms of a formula that learn, by their text."""

    def inside(node: Node) -> Iterator[Node]:
        if node.function:
            yield node
        for part in node.parts:
            yield from inside(part)

    return {node.text: node for node in inside(parse(formula))}


def categories_of(formula: str) -> set[str]:
    """Return the names that a formula takes as categories, C(...)."""

    def inside(node: Node) -> Iterator[str]:
        if node.inside:
            yield node.inside
        for part in node.parts:
            yield from inside(part)

    return set(inside(parse(formula)))


def terms_of(formula: str, category: Callable[[str], bool] | None = None) -> Terms:
    """Return the terms of a formula.

    Parameters:
        formula: the text, such as ``1 + x + x**2 + food_crisis * army``.
        category: tells of a name whether it is a category, whose product with itself is itself; None where no
            history has said so yet.

    Raises:
        ModelError: a term that would add nothing, one taken away that is not there, a number other than 0 and 1,
            a category times itself, or a division of numbers.
    """
    return _Expansion(formula, category).whole()


class _Expansion:
    def __init__(self, formula: str, category: Callable[[str], bool] | None) -> None:
        self.formula, self.category = formula, category
        self.factors: dict[str, Node] = {}

    def refuse(self, why: str) -> ModelError:
        return ModelError(f"the formula {self.formula!r} {why}")

    def whole(self) -> Terms:
        wanted: bool | None = None
        addends = []
        for addend in parse(self.formula).parts:
            (what,) = addend.parts
            if what.kind != "number" or what.text not in ("0", "1"):
                addends.append(addend)
                continue
            if addend.kind == "-" and what.text == "0":
                raise self.refuse("takes away 0, which says nothing: leave it out")
            asks = (what.text == "1") != (addend.kind == "-")
            if wanted is not None:
                again = "the same twice" if wanted == asks else "that there is one and that there is none"
                raise self.refuse(f"says of the intercept {again}")
            wanted = asks
        terms = self.added(addends)
        if () in terms:
            if wanted is False:
                raise self.refuse("has an intercept in brackets and says that there is none")
            terms.remove(())
        used = {factor for term in terms for factor, _ in term}
        factors = {text: node for text, node in self.factors.items() if text in used}
        return Terms(wanted is not False, terms, factors)

    def added(self, addends: Sequence[Node]) -> list[Term]:
        """Return the terms of a sum; refuse one that adds nothing, or that takes away what is not there."""
        terms: dict[Same, Term] = {}
        seen: list[frozenset[Same]] = []
        for addend in addends:
            found = self.expand(addend.parts[0])
            if addend.kind == "-":
                self.take_away(found, terms)
                continue
            mine = frozenset(map(frozenset, found))
            if mine in seen:
                raise self.refuse(f"names {self.said(found)} twice, which adds nothing: leave one out")
            seen.append(mine)
            for term in found:
                terms.setdefault(frozenset(term), term)
        return list(terms.values())

    def take_away(self, found: list[Term], terms: dict[Same, Term]) -> None:
        for term in found:
            if terms.pop(frozenset(term), None) is None:
                raise self.refuse(
                    f"takes away {self.said([term])}, which is not among the terms before it: a '-' removes a "
                    "term, and a negative effect needs no sign"
                )

    def said(self, found: list[Term]) -> str:
        return " + ".join(repr(term_name(term)) for term in found)

    def is_category(self, text: str) -> bool:
        node = self.factors[text]
        if node.function == "pieces":
            return True
        if node.kind != "name" or self.category is None:
            return bool(node.inside)
        return self.category(text)

    def expand(self, node: Node) -> list[Term]:
        """Return the terms that a part of a formula stands for."""
        if node.kind in ("name", "call"):
            self.factors.setdefault(node.text, node)
            return [((node.text, 1),)]
        if node.kind == "number":
            raise self.refuse(
                f"has the number {node.text} where a term belongs: only 1 (an intercept) and 0 (none) stand alone; "
                "a coefficient is estimated, or fixed with fixed="
            )
        if node.kind == "()":
            return self.bracket(node.parts[0])
        if node.kind == "**":
            return self.power(node)
        left, right = (self.expand(part) for part in node.parts)
        if node.kind == "/":
            return self.nested(left, right)
        crossed = self.crossed(left, right)
        return crossed if node.kind == ":" else _distinct([*left, *right, *crossed])

    def bracket(self, inside: Node) -> list[Term]:
        one = [
            part
            for part in inside.parts
            if part.parts[0].kind == "number" and part.parts[0].text in ("0", "1")
        ]
        if any(part.kind == "-" or part.parts[0].text == "0" for part in one):
            raise self.refuse("says in brackets that there is no intercept: say it outside of them")
        terms = self.added([part for part in inside.parts if part not in one])
        return [(), *terms] if one else terms

    def power(self, node: Node) -> list[Term]:
        terms = self.expand(node.parts[0])
        if node.power == 1:
            return terms
        if len(terms) == 1:  # one factor: its power, and nothing beside it
            raised = terms
            for _ in range(node.power - 1):
                raised = self.crossed(raised, terms)
            return raised
        whole = terms
        for _ in range(node.power - 1):
            whole = _distinct([*whole, *terms, *self.crossed(whole, terms)])
        return whole

    def nested(self, left: list[Term], right: list[Term]) -> list[Term]:
        """Return a/b = a + a:b: terms of b within each level of a."""
        known = self.category is not None and () not in left
        if known and not any(self.is_category(factor) for term in [*left, *right] for factor, _ in term):
            one, other = self.said(left).replace("'", ""), self.said(right).replace("'", "")
            raise self.refuse(
                f"divides numbers: '/' nests the terms of a category. A ratio is a covariate of its own, or "
                f"log({one} / {other}); for both and their product write {one} + {one}:{other}"
            )
        outer: list[Term] = [()]
        for term in left:
            outer = self.crossed(outer, [term], quiet=True)
        return _distinct([*left, *self.crossed(outer, right)])

    def crossed(self, left: list[Term], right: list[Term], quiet: bool = False) -> list[Term]:
        """Return every term of one side times every term of the other."""
        if len(left) * len(right) > MOST_TERMS:
            raise self.refuse(f"has more than {MOST_TERMS} terms")
        sums = quiet or len(left) > 1 or len(right) > 1
        return _distinct([self.product(a, b, sums) for a in left for b in right])

    def product(self, one: Term, other: Term, of_sums: bool) -> Term:
        powers = dict(one)
        for factor, power in other:
            if factor in powers and self.is_category(factor):
                if not of_sums:
                    raise self.refuse(
                        f"has the category {factor!r} times itself, which is {factor!r} again: name it once"
                    )
                continue
            powers[factor] = powers.get(factor, 0) + power
        return tuple(powers.items())


def _distinct(terms: list[Term]) -> list[Term]:
    """Return terms without those that stand there already, in whatever order of their factors."""
    found: dict[Same, Term] = {}
    for term in terms:
        found.setdefault(frozenset(term), term)
    return list(found.values())


def term_name(term: Term) -> str:
    """Return the name of a term, such as ``x**2:log(z)``."""
    if not term:
        return "1"
    return ":".join(factor if power == 1 else f"{factor}**{power}" for factor, power in term)


def factors_of(term: str) -> tuple[str, ...]:
    """Return the factors of a term in order, those of a power one by one; none for the intercept."""
    if term == "1":
        return ()
    found: list[str] = []
    depth, last = 0, 0
    for place, sign in enumerate(f"{term}:"):
        depth += (sign in "([") - (sign in ")]")
        if sign == ":" and depth == 0:
            found.append(term[last:place])
            last = place + 1
    single: list[str] = []
    for factor in found:
        name, power, times = factor.rpartition("**")
        single += [name.strip()] * int(times) if power and times.strip().isdigit() else [factor]
    return tuple(sorted(single))
