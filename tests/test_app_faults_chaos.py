"""Three minutes of faults at random, which end with the books: `make chaos` runs longer ones."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest
from chaos import chaos

pytestmark = [pytest.mark.pbx, pytest.mark.faults, pytest.mark.timeout(420)]


async def test_after_three_minutes_of_chaos_every_call_ring_and_stay_is_accounted_for(
    tmp_path: Path,
) -> None:
    seed = secrets.randbelow(1_000_000)
    print(f"to repeat it: make chaos MINUTES=3 SEED={seed}")
    summary = await chaos(3, seed, tmp_path)
    print(summary)
    assert summary["calls"] > 20
    assert summary["unexplained"] == 0
