"""`cordboard respondents`, as it is typed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from store_fixtures import *  # noqa: F403
from test_administration import Shell

from cordboard.crm_core.model import Draft
from cordboard.errors import UserError
from cordboard.respondents import respondents_app


@pytest.fixture
def shell(tmp_path: Path, sqlite_url: str) -> Shell:
    made = Shell(tmp_path, sqlite_url)
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    (scripts / "prices.yaml").write_text("version: 1\n")
    made.config.write_text(f'{made.config.read_text()}\n[scripts]\npath = "{scripts}"\n')
    made.app.add_typer(respondents_app, name="respondents")
    return made


def people(shell: Shell) -> list[Any]:
    ((whose, _),) = shell.ask("lists")
    found: list[Any] = shell.ask("people", whose.id)
    return found


def test_a_file_is_imported_once_and_what_is_left_out_is_told(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("name;phone;city\nПётр;89031110001;Омск\nNobody;soon;\nBroken;1;2;3\n")
    words = ("respondents", "import", str(file), "--list", "Prices", "--script", "prices")
    result = shell(*words)
    assert result.exit_code == 1
    assert f"{file}:3: Nobody: 'soon' is not a telephone number" in result.output
    assert f"{file}:4: row: has 4 cells under 3 titles" in result.output
    assert "1 added, 0 on the list already, 2 left out." in result.output
    assert "0 added, 1 on the list already" in shell(*words).output
    (person,) = people(shell)
    assert (person.number, person.attributes) == ("+79031110001", {"city": "Омск"})
    listed = shell("respondents", "list").output
    assert listed == "Prices (prices): 1 people, 1 due\n  1 waiting\n"


def test_customers_come_on_a_list_by_a_filter(shell: Shell) -> None:
    vip = Draft("Анна", phones=("+79031110001",), status="vip", attributes={"tariff": "max"})
    shell.ask("create_customer", vip)
    shell.ask("create_customer", Draft("Борис", phones=("+79031110002",), do_not_disturb=True))
    more = ("--list", "VIP", "--script", "prices")
    words = ("respondents", "from-customers", "--status", "vip", "--attribute", "tariff=max")
    assert "1 added" in shell(*words, "--before", "2030-01-01", *more).output
    result = shell("respondents", "from-customers", *more)
    assert "Борис: does not want to be disturbed" in result.output
    assert [each.name for each in people(shell)] == ["Анна"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--list", "New"), "give --script"),
        (("--list", "New", "--script", "none"), "there is no .*none.yaml"),
        (("--list", "New", "--script", "prices", "--language", "xx"), "must be one of"),
        (("--list", "New", "--script", "prices", "--attribute", "x"), "NAME=VALUE"),
    ],
)
def test_what_cannot_be_made_is_said(shell: Shell, words: tuple[str, ...], reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        shell("respondents", "from-customers", *words)
