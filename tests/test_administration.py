"""The administrator's commands, as they are typed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from store_fixtures import *  # noqa: F403
from typer import Typer
from typer.testing import CliRunner, Result

from cordboard.administration import audit, db_app, import_app, token, user_app
from cordboard.crm_core.model import AuditRecord
from cordboard.crm_core.store import Store
from cordboard.errors import UserError
from cordboard.events import derived_id


class Shell:
    """Runs commands against the database of one configuration file."""

    def __init__(self, folder: Path, url: str) -> None:
        self.url = url
        self.config = folder / "cordboard.toml"
        self.config.write_text(f'[database]\nurl = "{url}"\n')
        self.app = Typer()
        self.app.add_typer(user_app, name="user")
        self.app.add_typer(db_app, name="db")
        self.app.add_typer(import_app, name="import")
        self.app.command("token")(token)
        self.app.command("audit")(audit)

    def __call__(self, *words: str, stdin: str = "") -> Result:
        command = [*words, "--config", str(self.config)]
        result = CliRunner().invoke(self.app, command, input=stdin)
        if isinstance(result.exception, UserError):
            raise result.exception
        return result

    def ask(self, method: str, *args: Any) -> Any:
        async def work() -> Any:
            store = Store(self.url)
            await store.open()
            try:
                return await getattr(store, method)(*args)
            finally:
                await store.close()

        return asyncio.run(work())


@pytest.fixture
def shell(tmp_path: Path, sqlite_url: str) -> Shell:
    return Shell(tmp_path, sqlite_url)


def test_db_upgrade_makes_the_tables(tmp_path: Path) -> None:
    shell = Shell(tmp_path, f"sqlite:///{tmp_path / 'var' / 'new.db'}")
    assert shell("db", "upgrade").exit_code == 0
    assert shell("db", "upgrade").exit_code == 0
    assert shell.ask("users") == []


def test_without_tables_the_command_that_makes_them_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cordboard db upgrade"):
        Shell(tmp_path, f"sqlite:///{tmp_path / 'new.db'}")("user", "list")


def test_a_made_password_is_printed_once_and_opens_the_account(shell: Shell) -> None:
    options = ["--role", "operator", "--phone", "PJSIP/1001", "--mobile", "+7 916 123-45-67"]
    result = shell("user", "add", "Anna", *options, "--display-name", "Анна")
    password = result.output.split("Password: ")[1].strip()
    anna = shell.ask("verify_password", "anna", password)
    assert (anna.phone, anna.mobile, anna.display_name) == ("PJSIP/1001", "+79161234567", "Анна")
    assert password not in shell("user", "list").output


def test_a_given_password_is_not_printed(shell: Shell) -> None:
    result = shell(
        "user", "add", "anna", "--role", "admin", "--password-stdin", stdin="correct horse\n"
    )
    assert "correct horse" not in result.output
    assert shell.ask("verify_password", "anna", "correct horse").role == "admin"
    shell("user", "password", "anna", "--password-stdin", stdin="another horse\n")
    assert shell.ask("verify_password", "anna", "correct horse") is None


def test_a_closed_account_is_listed_as_closed_and_its_tokens_are_void(shell: Shell) -> None:
    shell("user", "add", "anna", "--role", "operator")
    printed = shell("token", "anna").output.strip()
    assert shell.ask("token_user", printed).name == "anna"
    assert "closed" in shell("user", "close", "anna").output
    assert shell("user", "list").output == "anna\toperator\t-\t-\tanna\t(closed)\n"
    assert shell.ask("token_user", printed) is None
    with pytest.raises(UserError, match="no active user"):
        shell("token", "anna")


@pytest.mark.parametrize(
    "words",
    [
        ("token", "nobody"),
        ("user", "password", "nobody"),
        ("user", "close", "nobody"),
        ("user", "add", "a b", "--role", "operator"),
        ("user", "add", "anna", "--role", "operator", "--phone", "1001"),
        ("import", "customers", "/nowhere/at/all.csv"),
    ],
)
def test_what_cannot_be_done_is_said_in_words(shell: Shell, words: tuple[str, ...]) -> None:
    with pytest.raises(UserError):
        shell(*words)


def test_an_import_prints_its_faulty_rows_and_what_it_did(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("name;phone;mail\nA;+79161234567;a@b.c\nB;x\nC;y\nD;z\n")
    result = shell("import", "customers", str(path), "--show", "2")
    assert result.exit_code == 1
    assert f"{path}:3: phones[0]: 'x' is not a telephone number" in result.output
    assert f"{path}:5:" not in result.output
    assert "1 more faulty row" in result.output
    assert "Not used: columns mail" in result.output
    assert "1 created, 0 updated, 0 unchanged, 3 faulty." in result.output
    path.write_text("name;phone\nA;+79161234567\n")
    result = shell("import", "customers", str(path))
    assert (result.exit_code, result.output) == (
        0,
        "0 created, 0 updated, 1 unchanged, 0 faulty.\n",
    )


def test_a_user_serves_queues_from_a_phone_of_their_own_or_any(shell: Shell) -> None:
    words = ("--role", "operator", "--queue", "support-ru:1", "--queue", "support")
    assert shell("user", "add", "vera", *words).exit_code == 0
    (vera,) = shell.ask("users")
    assert (vera.phone, vera.queues) == (None, (("support-ru", 1), ("support", 0)))
    assert shell("user", "change", "vera", "--queue", "sales:2", "--phone", "PJSIP/1001")
    (vera,) = shell.ask("users")
    assert (vera.phone, vera.queues) == ("PJSIP/1001", (("sales", 2),))
    assert "PJSIP/1001\tsales:2\tvera" in shell("user", "list").output
    shell("user", "change", "vera", "--any-phone", "--no-queues")
    (vera,) = shell.ask("users")
    assert (vera.phone, vera.queues) == (None, ())


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("--queue", "sales:high"), "must be a number"),
        (("--queue", "sales:2000"), "must be 0 to 1000"),
        (("--queue", "sales,x"), "no queue's name"),
        (("--queue", "sales", "--queue", "sales:1"), "named twice"),
        (("--queue", "sales", "--no-queues"), "exclude each other"),
        ((), "nothing to change"),
    ],
)
def test_what_is_no_change_of_a_user_is_told(
    shell: Shell, words: tuple[str, ...], fault: str
) -> None:
    shell("user", "add", "vera", "--role", "operator")
    with pytest.raises(UserError, match=fault):
        shell("user", "change", "vera", *words)


def test_the_audit_is_read_newest_first_and_of_one_user(shell: Shell) -> None:
    def row(at: float, actor: str, target: str, reason: str) -> AuditRecord:
        done = ("operator", "pause", target, reason, '{"state": "ready"}', '{"pause": "lunch"}')
        return AuditRecord(derived_id(int(at * 1000), reason), at, actor, "supervisor", *done)

    rows = [row(1.0, "maria", "anna", "It is noon"), row(2.0, "maria", "boris", "Team talk")]
    shell.ask("write", [*rows, row(3.0, "olga", "vera", "Gone home")])
    said = shell("audit").stdout.splitlines()
    reasons = [line.rpartition(": ")[2] for line in said[::2]]
    assert reasons == ["Gone home", "Team talk", "It is noon"]
    assert said[0].endswith("olga (supervisor): pause operator vera: Gone home")
    assert said[1].strip() == 'it stood {"state": "ready"}, asked for {"pause": "lunch"}'
    assert "It is noon" in shell("audit", "--who", "Anna", "--limit", "5").stdout
    assert shell("audit", "--who", "anna").stdout.count("\n") == 2
    assert "Team talk" in shell("audit", "--who", "maria", "--limit", "1").stdout
    assert shell("audit", "--who", "maria", "--limit", "1").stdout.count("\n") == 2
