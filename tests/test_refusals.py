"""Why something is not done: each sentence has its code, and each code its words on the pages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from cordboard import ledger
from cordboard.crm_core.interactions import AlreadySavedError
from cordboard.cti import link
from cordboard.desk.commands import Tell
from cordboard.desk.refusals import OTHER, REFUSALS, read, refusal
from cordboard.events import OperatorName
from cordboard.screenpop import render

SCRIPT = Path(render.__file__).parent / "static" / "refusals.js"
NOT_SAID = {"saved-elsewhere", "no-such-action"}
"""What the console says itself, and what no page of ours asks for."""


def told(error: str | None) -> dict[str, Any] | None:
    return render.message(Tell("a1", OperatorName("anna"), error), "RUB", {})


@pytest.mark.parametrize("code", REFUSALS)
@pytest.mark.parametrize("value", ["PJSIP/1007", "Vera: two, cannot (2)", "Иван\n{x}"])
def test_a_sentence_is_read_back_as_what_it_was_made_of(code: str, value: str) -> None:
    args = dict.fromkeys(re.findall(r"{(\w+)}", REFUSALS[code]), value)
    assert read(refusal(code, **args)) == (code, args)


def test_what_others_wrote_is_told_as_it_is() -> None:
    said = "Unable to add interface to queue: No such queue"
    assert read(said) == (OTHER, {"said": said})
    assert OTHER not in REFUSALS


def test_an_outcome_carries_the_code_beside_the_sentence() -> None:
    error = refusal("phone-taken", name="Vera", phone="PJSIP/1007")
    assert told(error) == {
        "type": "result",
        "id": "a1",
        "ok": False,
        "error": "Vera works at PJSIP/1007: two cannot share a phone",
        "code": "phone-taken",
        "args": {"name": "Vera", "phone": "PJSIP/1007"},
    }
    well = {"type": "result", "id": "a1", "ok": True, "error": None, "code": None, "args": {}}
    assert told(None) == well


def test_sentences_of_those_who_know_no_desk_have_their_codes() -> None:
    assert read(str(AlreadySavedError())) == ("saved-elsewhere", {})
    for module, code in ((ledger, "disk-full"), (link, "not-connected")):
        assert f'PeerError("{REFUSALS[code]}")' in Path(str(module.__file__)).read_text()


def test_the_pages_have_words_for_every_code() -> None:
    script = SCRIPT.read_text()
    said = re.findall(r'^  "([a-z-]+)": \(', script, re.MULTILINE)
    assert sorted(said) == sorted(REFUSALS.keys() - NOT_SAID)
    for code, names in re.findall(r'^  "([a-z-]+)": \(\{ ([^}]+) \}', script, re.MULTILINE):
        assert set(names.split(", ")) <= set(re.findall(r"{(\w+)}", REFUSALS[code])), code
