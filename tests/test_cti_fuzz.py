"""Spoilt AMI breaks nothing: what broke something once, what covers a kind, and some more."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tools import fuzz

CORPUS = Path(__file__).parent / "corpus"


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.bin")), ids=lambda path: path.stem)
async def test_what_stands_in_the_corpus_breaks_nothing(path: Path) -> None:
    await fuzz.run_one(path.read_bytes())


@pytest.mark.parametrize("seed", range(6))
async def test_spoilt_recordings_break_nothing(seed: int) -> None:
    chance, known = random.Random(seed), fuzz.corpus()
    for _ in range(10):
        await fuzz.run_one(fuzz.spoil(chance, known)[:200_000])


async def test_the_fuzzer_sees_what_stays_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz.CallModel, "snapshot_done", lambda self, now: [])
    trace = (fuzz.TESTS / "traces/queue_timeout.ami").read_bytes()
    with pytest.raises(AssertionError, match="left over"):
        await fuzz.run_one(trace[: len(trace) // 2])
