"""Conditions of XLSForms in the words of scripts."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cordboard.ivr.expressions import parse
from cordboard.ivr.xpath import Ref, XPathError, translated

REFS = {
    "age": Ref("age", "answers.age", "number"),
    "own": Ref("own", "answers.own", "choice", {"yes": "yes", "no": "no"}),
    "mark": Ref("mark", "answers.mark", "choice", {"1": "1", "5": "5"}),
    "many": Ref("many", "answers.many", "multiple", {"a": "answers.many_a", "b": "answers.many_b"}),
    "day": Ref("day", "answers.day", "date"),
    "words": Ref("words", "answers.words", "text"),
    "sum": Ref("sum", "sum", "value"),
}
KNOWN = {
    "answers": {
        "age": 30,
        "own": "yes",
        "mark": "5",
        "many_a": True,
        "many_b": False,
        "day": date(2026, 11, 23),
        "words": "Ой",
    },
    "sum": 7,
    "now": {"date": date(2026, 11, 23)},
}


def worked_out(text: str, names: Any = KNOWN) -> Any:
    return parse(translated(text, REFS)).value(names)


@pytest.mark.parametrize(
    "text",
    [
        "${age} >= 18 and ${age} < 65",
        "${age}>18 and(${own}='yes')",
        "${own} = 'yes' or ${own} = 'no' and ${age} < 1",
        "not(${own} = 'no')",
        "selected(${own}, 'yes')",
        "selected(${many}, 'a') and not(selected(${many}, 'b'))",
        "count-selected(${many}) = 1",
        "${mark} = 5",
        "${mark} >= 4",
        "${mark} + 1 = 6",
        "${age} = '30'",
        "${age} mod 4 = 2 and ${age} div 4 > 7",
        "-${age} < 0",
        "${age} - 10 - 10 = 10",
        "${day} = today() and ${day} > '2020-01-01' and ${day} < date('2030-01-01')",
        "${words} != ''",
        "string-length(${words}) = 2",
        "if(${age} > 18, 1, 2) = 1",
        "coalesce(${age}, 5) * ${sum} = 210",
        "${own} = “yes”",
        "1 < 2 = (3 < 4)",
        "true() and not(false())",
    ],
)
def test_what_holds_in_the_form_holds_in_the_script(text: str) -> None:
    assert worked_out(text) is True


@pytest.mark.parametrize("text", ["${age} = ''", "${words} = ''", "not(${own} != '')"])
def test_what_was_not_answered_is_not_known(text: str) -> None:
    assert worked_out(text) is False
    assert worked_out(text, {"answers": {}}) is True


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("${agee} > 1", "did you mean age"),
        ("${own} = 'yess'", "no choice 'yess'; did you mean yes"),
        ("selected(${many}, 'c')", "no choice 'c'"),
        ("${many} = 'a'", "write selected(${many}, …)"),
        ("${day} + 1 > 0", "is no number"),
        ("pulldata('a', 'b', 'c', 'd')", "scripts have no pulldata()"),
        ("selected(${own})", "used like selected("),
        ("../age > 1", "'.' stands for an answer only in a constraint"),
        ("age > 1", "'age' is no value"),
        ("${age} > ", "breaks off"),
        ("(${age} > 1", "')' is missing"),
        ("${age} > 1 1", "from '1' on"),
        ("${age} § 1", "cannot be read"),
        ("(" * 50 + "1", "nested deeper"),
        ("-" * 50 + "1", "nested deeper"),
        ("1 + " * 900 + "1", "longer"),
        (" or ".join(["${age} = 1"] * 60), "too much for one condition"),
    ],
)
def test_what_a_script_cannot_say_is_refused_with_a_word_of_advice(text: str, words: str) -> None:
    with pytest.raises(XPathError) as caught:
        translated(text, REFS)
    assert words in str(caught.value)


_LEAVES = st.sampled_from(["1", "2", "7", "${age}", "${sum}"])
_SUMS = st.recursive(
    _LEAVES,
    lambda inner: st.builds(
        "({} {} {})".format, inner, st.sampled_from(["+", "-", "*"]), inner
    ) | st.builds("{} {} {}".format, inner, st.sampled_from(["+", "-", "*"]), inner),
    max_leaves=6,
)  # fmt: skip
_CONDITIONS = st.recursive(
    st.builds("{} {} {}".format, _SUMS, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), _SUMS),
    lambda inner: (
        st.builds("not({})".format, inner)
        | st.builds("({})".format, inner)
        | st.builds("{} {} {}".format, inner, st.sampled_from(["and", "or"]), inner)
    ),
    max_leaves=4,
)


@given(_CONDITIONS)
def test_any_condition_means_what_python_means_by_it(text: str) -> None:
    """With the same precedence of the operators in both."""
    plain = text.replace("${age}", "30").replace("${sum}", "7").replace(" = ", " == ")
    try:
        found = worked_out(text)
    except XPathError as error:
        assert "too much" in str(error)  # noqa: PT017
        return
    assert found is eval(plain)


@given(st.text(alphabet="${}agemny()='\"<>!=.,+-*/ 019or", max_size=60))
def test_any_text_is_translated_or_refused(text: str) -> None:
    try:
        code = translated(text, REFS)
    except XPathError:
        return
    parse(code).value(KNOWN)
