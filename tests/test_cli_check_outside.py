"""`cordboard check` says what is wrong with other systems, and what they say of a number."""

from __future__ import annotations

import socket
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from outside_system import OutsideSystem, outside_system, says
from store_fixtures import sqlite_url

from cordboard import outbound
from cordboard.checks import answers, find_faults, remarks
from cordboard.config import load
from cordboard.crm_core.model import Manager
from cordboard.crm_core.outside import Known, read_answer
from cordboard.errors import UserError

__all__ = ["sqlite_url"]

DOCUMENT = Path(__file__).parent.parent / "docs/administration.md"


@pytest.fixture
async def system() -> AsyncIterator[OutsideSystem]:
    async with outside_system() as one:
        one.mood = says({"class": "GOLD"})
        yield one


def configured(folder: Path, url: str, tables: str) -> Path:
    path = folder / "cordboard.toml"
    path.write_text(f'[database]\nurl = "{url}"\n{tables}')
    return path


async def test_all_that_is_wrong_with_other_systems_is_told_at_once(
    tmp_path: Path, sqlite_url: str, system: OutsideSystem
) -> None:
    async with outside_system() as gone:
        dead = gone.base
    (tmp_path / "short.secret").write_text("short")
    tables = f"""
[[lookup]]
name = "erp"
url = "{dead}/{{number}}"
secret_file = "no.secret"
map = {{ status = "class" }}
values = {{ status = {{ GOLD = "platinum" }} }}
[[lookup]]
name = "good"
url = "{system.base}/{{number}}"
map = {{ status = "class" }}
[[lookup]]
name = "closed"
url = "http://localhost.localdomain:{system.port}/{{number}}"
map = {{ status = "class" }}
[[webhook]]
name = "hook"
url = "{dead}/hook"
secret_file = "short.secret"
"""
    faults = await find_faults(configured(tmp_path, sqlite_url, tables))
    told = [fault for fault in faults if "[[lookup]]" in fault or "[[webhook]]" in fault]
    for words in (
        "erp: values: 'platinum' is none of",
        f"erp: secret_file {tmp_path}/no.secret",
        f"erp url {dead}",
        "closed url http://localhost.localdomain",
        "hook: secret_file",
        f"hook url {dead}/hook",
    ):
        assert len([fault for fault in told if words in fault]) == 1, (words, faults)
    assert not any("good" in fault for fault in told)
    assert system.heard == []


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://8.8.8.8", True),
        ("HTTP://[2001:4860:4860::8888]:8080", True),
        ("http://crm.example", True),
        ("https://8.8.8.8", False),
        ("http://127.0.0.1:8080", False),
        ("http://[::1]", False),
        ("http://10.1.2.3", False),
        ("http://localhost:8080", False),
        ("http://crm.inside", False),
        ("http://nowhere.example", False),
    ],
)
async def test_a_secret_that_would_travel_in_clear_is_remarked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, told: bool
) -> None:
    names = {"crm.example": "8.8.8.8", "crm.inside": "192.168.1.9", "localhost": "127.0.0.1"}

    def leads(host: str, *_: int) -> list[tuple[int, str]]:
        if host not in names:
            raise OSError("Name or service not known")
        return [(socket.AF_INET, names[host])]

    monkeypatch.setattr(outbound, "_addresses", leads)
    (tmp_path / "key").write_text("Authorization: Bearer 3f9c\n")
    table = f'[[lookup]]\nname = "erp"\nurl = "{url}/{{number}}"\nmap = {{ status = "class" }}\n'
    secret = configured(tmp_path, "sqlite:///x", f'{table}secret_file = "key"\n')
    found = [line for line in await remarks(secret) if "[[lookup]]" in line]
    assert found == [
        f"Note: [[lookup]] erp url {url}/{{number}}: what stands in secret_file is sent there"
        " unencrypted, for everybody on the way to read; use https://"
    ] * told  # fmt: skip
    no_secret = configured(tmp_path, "sqlite:///x", table)
    assert not any("[[lookup]]" in line for line in await remarks(no_secret))


async def test_with_a_number_each_lookup_says_what_it_knows(
    tmp_path: Path, sqlite_url: str, system: OutsideSystem
) -> None:
    tables = f"""
[[lookup]]
name = "erp"
url = "{system.base}/{{number}}"
map = {{ status = "class" }}
values = {{ status = {{ GOLD = "vip" }} }}
[[lookup]]
name = "crm"
url = "{system.base}/{{number}}"
map = {{ status = "class" }}
"""
    config = configured(tmp_path, sqlite_url, tables)
    erp, crm = await answers(config, "8 916 123-45-67")
    assert erp.startswith("[[lookup]] erp: ")
    assert "status='vip'" in erp
    assert "crm: failed: status: 'GOLD' is none of ours" in crm
    assert {heard.path for heard in system.heard} == {"/%2B79161234567"}
    with pytest.raises(UserError, match="not a telephone number"):
        await answers(config, "hello")


def test_the_worked_example_of_the_document_does_what_it_says(tmp_path: Path) -> None:
    blocks = DOCUMENT.read_text(encoding="utf-8").split("\n\n")
    said = next(block for block in blocks if block.startswith('    {"customer"'))
    table = next(block for block in blocks if block.startswith("    [[lookup]]"))
    text = "\n".join(line[4:] for line in table.splitlines())
    assert tomllib.loads(text)
    (tmp_path / "cordboard.toml").write_text(text)
    (lookup,) = load(tmp_path / "cordboard.toml").lookup
    anna = Manager("anna", "Anna", None)
    known = Known(("regular", "vip", "debtor"), ("ru",), {"anna": anna})
    report = read_answer(said.encode(), lookup, known)
    assert report
    found: dict[str, Any] = dict(report.attributes)
    assert (report.status, report.balance_minor, report.manager) == ("vip", -1250, anna)
    assert found == {"tariff": "Business 100", "open_tickets": 2}
