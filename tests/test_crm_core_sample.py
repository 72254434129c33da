"""The demo's made-up customers and their history."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from store_fixtures import *  # noqa: F403

from cordboard.crm_core.sample import DAY, load_sample
from cordboard.crm_core.store import Store
from cordboard.errors import UserError

SAMPLE = Path(__file__).parent.parent / "config" / "sample"
NOW = 1_790_000_000.0


async def test_the_sample_gives_cards_with_history_and_may_be_loaded_again(store: Store) -> None:
    for name in ("anna", "maria"):
        await store.add_user(name, "operator", "password")
    loaded = await load_sample(store, SAMPLE, NOW)
    card = await store.card_by_number("+79160000001")
    assert card is not None
    assert len(card.history) == 3
    assert card.history[0].started_at > NOW - 2 * DAY
    assert await load_sample(store, SAMPLE, NOW + DAY) == loaded
    again = await store.card_by_number("+79160000001")
    assert again is not None
    later = [replace(each, started_at=0, ended_at=0) for each in again.history]
    assert later == [replace(each, started_at=0, ended_at=0) for each in card.history]
    assert again.history[0].started_at == card.history[0].started_at + DAY


async def test_a_sample_whose_users_are_missing_says_so(store: Store) -> None:
    with pytest.raises(UserError, match="no active user 'anna'"):
        await load_sample(store, SAMPLE, NOW)
