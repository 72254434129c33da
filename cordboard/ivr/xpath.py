"""Conditions of XLSForms, which are XPath's, as conditions of scripts. Pure.

What a script cannot say is refused, and so is what would never hold: a choice that there is not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from cordboard.ivr.expressions import ExpressionError, parse
from cordboard.ivr.script import close

Kind = Literal["number", "text", "choice", "multiple", "date", "value", "logical"]

CHARACTERS = 2000
DEPTH = 30


class XPathError(ValueError):
    """What cannot be said in a script, and how to mend it."""


@dataclass(frozen=True, slots=True)
class Ref:
    """What a question of the form is in the script. `choices` are the answers that it takes; of
    a question with several answers each has a name of its own, which holds where it was chosen."""

    name: str
    code: str
    kind: Kind
    choices: Mapping[str, str] = field(default_factory=dict)


Refs = Mapping[str, Ref]

_SMART = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "\u00a0": " "})
_TOKEN = re.compile(
    r"""\s*(?:
    \$\{\s*(?P<ref>[^}]*?)\s*\}
  | (?P<number>\d+(?:\.\d*)?|\.\d+)
  | (?P<string>'[^']*'|"[^"]*")
  | (?P<function>[A-Za-z_][\w.-]*(?::[\w.-]+)?)(?=\s*\()
  | (?P<word>[A-Za-z_][\w-]*)
  | (?P<sign><=|>=|!=|[=<>+*(),|/.\[\]-])
)""",
    re.VERBOSE,
)
_ATOM, _SUM, _PRODUCT, _COMPARED, _NOT, _AND, _OR, _IF = 8, 5, 6, 4, 3, 2, 1, 0
_SIGNS = {"=": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


@dataclass(frozen=True, slots=True)
class _Said:
    """A part in the script's words; `binds` tells where it needs brackets, `literal` what is
    written where it is a constant."""

    code: str
    kind: Kind = "value"
    binds: int = _ATOM
    literal: str | None = None
    ref: Ref | None = None

    def within(self, binds: int) -> str:
        return self.code if self.binds >= binds else f"({self.code})"


def translated(text: str, refs: Refs, this: Ref | None = None) -> str:
    """A condition or sum as scripts write it; `this` is what `.` stands for. Raises
    `XPathError`."""
    if len(text) > CHARACTERS:
        raise XPathError(f"is longer than {CHARACTERS} characters")
    code = _Reader(text.translate(_SMART).strip(), refs, this).whole().code
    try:
        parse(code)
    except ExpressionError as error:
        raise XPathError(f"is too much for one condition of a script: {error}") from None
    return code


class _Reader:
    """By recursive descent, with XPath's precedence."""

    def __init__(self, text: str, refs: Refs, this: Ref | None) -> None:
        self.refs, self.this = refs, this
        self.tokens: list[tuple[str, str]] = []
        self.at = self.depth = 0
        place = 0
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None:
                raise XPathError(f"cannot be read from {text[place : place + 20]!r} on")
            kind = match.lastgroup or ""
            self.tokens.append((kind, match[kind]))
            place = match.end()

    def whole(self) -> _Said:
        found = self.either()
        if self.at < len(self.tokens):
            raise XPathError(f"cannot be read from {self.tokens[self.at][1]!r} on")
        return found

    def is_next(self, *words: str) -> str | None:
        """Takes the next token where it is one of these signs or operators."""
        if self.at < len(self.tokens):
            kind, text = self.tokens[self.at]
            # «a and (b)» reads like a function.
            if kind in ("sign", "word", "function") and text in words:
                self.at += 1
                return text
        return None

    def needed(self, sign: str) -> None:
        if not self.is_next(sign):
            raise XPathError(f"{sign!r} is missing")

    def either(self) -> _Said:
        self.depth += 1
        if self.depth > DEPTH:
            raise XPathError(f"is nested deeper than {DEPTH} levels")
        found = self.joined(self.both, "or", _OR)
        self.depth -= 1
        return found

    def both(self) -> _Said:
        return self.joined(self.equal, "and", _AND)

    def joined(self, part: Callable[[], _Said], word: str, binds: int) -> _Said:
        found = part()
        while self.is_next(word):
            code = f"{found.within(binds)} {word} {part().within(binds + 1)}"
            found = _Said(code, "logical", binds)
        return found

    def equal(self) -> _Said:
        return self.compared(self.ordered, "=", "!=")

    def ordered(self) -> _Said:
        return self.compared(self.sum, "<", "<=", ">", ">=")

    def compared(self, part: Callable[[], _Said], *signs: str) -> _Said:
        found = part()
        while sign := self.is_next(*signs):
            found = _comparison(found, sign, part())
        return found

    def sum(self) -> _Said:
        return self.reckoned(self.product, {"+": "+", "-": "-"}, _SUM)

    def product(self) -> _Said:
        return self.reckoned(self.signed, {"*": "*", "div": "/", "mod": "%"}, _PRODUCT)

    def reckoned(self, part: Callable[[], _Said], signs: Mapping[str, str], binds: int) -> _Said:
        found = part()
        while sign := self.is_next(*signs):
            one, other = _number(found), _number(part())
            code = f"{one.within(binds)} {signs[sign]} {other.within(binds + 1)}"
            found = _Said(code, "number", binds)
        return found

    def signed(self) -> _Said:
        if self.is_next("-"):
            self.depth += 1
            if self.depth > DEPTH:
                raise XPathError(f"is nested deeper than {DEPTH} levels")
            inner = _number(self.signed())
            self.depth -= 1
            literal = None if inner.literal is None else f"-{inner.literal}"
            return _Said(f"-{inner.within(_ATOM)}", "number", _PRODUCT, literal)
        return self.part()

    def part(self) -> _Said:
        if self.at >= len(self.tokens):
            raise XPathError("breaks off")
        kind, text = self.tokens[self.at]
        self.at += 1
        match kind, text:
            case "ref", _:
                return _named(self.known(text))
            case "number", _:
                plain = format(Decimal(text), "f")
                return _Said(plain, "number", literal=plain)
            case "string", _:
                return _Said(repr(text[1:-1]), "text", literal=text[1:-1])
            case "function", _:
                return self.called(text)
            case "sign", "(":
                found = self.either()
                self.needed(")")
                return found
            case "sign", ".":
                if self.this is not None:
                    return _named(self.this)
                raise XPathError("'.' stands for an answer only in a constraint")
        raise XPathError(f"{text!r} is no value; write ${{question}}, a number or 'words'")

    def known(self, name: str) -> Ref:
        if name not in self.refs:
            raise XPathError(f"no question is called {name}{close(name, self.refs)}")
        return self.refs[name]

    def called(self, name: str) -> _Said:
        self.needed("(")
        given: list[_Said] = []
        if not self.is_next(")"):
            given.append(self.either())
            while self.is_next(","):
                given.append(self.either())
            self.needed(")")
        return _called(name, given)


def _named(ref: Ref) -> _Said:
    return _Said(ref.code, ref.kind, ref=ref)


def _called(name: str, given: list[_Said]) -> _Said:
    match name, given:
        case "selected", [one, _Said(literal=str(value))] if one.ref is not None:
            return _selected(one.ref, value)
        case "not", [one]:
            return _Said(f"not {one.within(_NOT)}", "logical", _NOT)
        case "true", []:
            return _Said("True", "logical")
        case "false", []:
            return _Said("False", "logical")
        case "boolean", [one]:
            return one
        case "today", []:
            return _Said("now.date", "date")
        case "date", [_Said(literal=str(value))]:
            return _Said(f"date({value!r})", "date")
        case "date", [one] if one.kind == "date":
            return one
        case (("number" | "int"), [one]):
            return _number(one)
        case "string-length", [one]:
            return _Said(f"length({one.code})", "number")
        case "lower-case", [one]:
            return _Said(f"lower({one.code})", "text")
        case (("normalize-space" | "string"), [one]):
            return one
        case "coalesce", [one, other]:
            code = f"{one.within(_OR)} if known({one.code}) else {other.within(_OR)}"
            return _Said(code, one.kind, _IF)
        case "if", [test, one, other]:
            code = f"{one.within(_OR)} if {test.within(_OR)} else {other.within(_OR)}"
            return _Said(code, one.kind, _IF)
        case "count-selected", [one] if one.ref is not None and one.kind == "multiple":
            each = (f"(1 if {code} else 0)" for code in one.ref.choices.values())
            return _Said(" + ".join(each), "number", _SUM)
    if name in _KNOWN:
        raise XPathError(f"{name}() takes something else; it is used like {_KNOWN[name]}")
    raise XPathError(
        f"scripts have no {name}(){close(name, _KNOWN)}; there are {', '.join(_KNOWN)}"
    )


_KNOWN = {
    "selected": "selected(${question}, 'choice')",
    "not": "not(${a} = 'b')",
    "true": "true()",
    "false": "false()",
    "boolean": "boolean(${question})",
    "today": "today()",
    "date": "date('2026-12-31')",
    "number": "number(${question})",
    "int": "int(${question})",
    "string-length": "string-length(${question})",
    "lower-case": "lower-case(${question})",
    "normalize-space": "normalize-space(${question})",
    "string": "string(${question})",
    "coalesce": "coalesce(${a}, ${b})",
    "if": "if(${a} = 'b', 1, 2)",
    "count-selected": "count-selected(${question}), of a select_multiple",
}


def _selected(ref: Ref, value: str) -> _Said:
    if ref.kind not in ("choice", "multiple"):
        raise XPathError(f"{ref.name} has no choices to be selected")
    _must_have(ref, value)
    if ref.kind == "multiple":
        return _Said(ref.choices[value], "logical")
    return _Said(f"{ref.code} == {value!r}", "logical", _COMPARED)


def _must_have(ref: Ref, value: str) -> None:
    if value not in ref.choices:
        raise XPathError(f"{ref.name} has no choice {value!r}{close(value, ref.choices)}")


def _number(one: _Said) -> _Said:
    """To be reckoned or ordered with."""
    if one.kind == "choice":
        return _Said(f"whole({one.code})", "number")
    if one.literal is not None and one.kind == "text":
        try:
            plain = format(Decimal(one.literal), "f")
        except ArithmeticError:
            raise XPathError(f"{one.code} is no number") from None
        return _Said(plain, "number", literal=plain)
    if one.kind in ("multiple", "date", "logical"):
        raise XPathError(f"{one.code} is no number")
    return one if one.kind != "text" else _Said(f"whole({one.code})", "number")


def _comparison(one: _Said, sign: str, other: _Said) -> _Said:
    for each, against in ((one, other), (other, one)):
        if each.kind == "multiple":
            assert each.ref is not None
            words = f"{each.ref.name} has several answers; write selected(${{{each.ref.name}}}, …)"
            raise XPathError(words)
        if each.literal == "" and sign in ("=", "!="):
            code = f"known({against.code})"
            if sign == "=":
                return _Said(f"not {code}", "logical", _NOT)
            return _Said(code, "logical")
    one, other = _alike(one, other, sign)
    code = f"{one.within(_SUM)} {_SIGNS[sign]} {other.within(_SUM)}"
    return _Said(code, "logical", _COMPARED)


def _alike(one: _Said, other: _Said, sign: str) -> tuple[_Said, _Said]:
    """XPath makes a number or a word of what is compared; scripts do not."""
    if sign in ("=", "!="):
        for each, against in ((one, other), (other, one)):
            if each.kind == "choice" and each.ref is not None and against.literal is not None:
                _must_have(each.ref, against.literal)
                word = _Said(repr(against.literal), "text", literal=against.literal)
                return (each, word) if each is one else (word, each)
        if "number" in (one.kind, other.kind):
            return _number(one), _number(other)
        return one, other
    if "date" in (one.kind, other.kind):
        return one, other
    return _number(one), _number(other)
