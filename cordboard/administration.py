"""The commands of an administrator: users, tokens, the audit, the database, the import of
customers."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar
from zoneinfo import ZoneInfo

import typer

from cordboard.config import Settings, load
from cordboard.errors import UserError

if TYPE_CHECKING:
    from cordboard.crm_core.imports import Summary
    from cordboard.crm_core.model import AuditRecord
    from cordboard.crm_core.store import Store

T = TypeVar("T")

Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="The configuration; cordboard.toml here if not given."),
]
Name = Annotated[str, typer.Argument(help="The name the user logs in with.")]
Phone = Annotated[
    str | None, typer.Option(help="The queue member's interface on the desk, such as PJSIP/1001.")
]
Queues = Annotated[
    list[str] | None,
    typer.Option(
        "--queue",
        help="A queue to serve, perhaps with a penalty: support-ru:1. Again for more.",
    ),
]
Mobile = Annotated[str | None, typer.Option(help="Where personal calls are put through.")]
FromStdin = Annotated[
    bool,
    typer.Option("--password-stdin", help="Read the password from stdin instead of making one."),
]
RoleName = Literal["operator", "supervisor", "admin"]

user_app = typer.Typer(help="Users of the console.", no_args_is_help=True)
db_app = typer.Typer(help="The database.", no_args_is_help=True)
import_app = typer.Typer(help="Data from files.", no_args_is_help=True)


@user_app.command("add")
def add_user(
    name: Name,
    role: Annotated[RoleName, typer.Option(help="What the user may see and do.")],
    phone: Phone = None,
    mobile: Mobile = None,
    display_name: Annotated[str | None, typer.Option(help="The name that others see.")] = None,
    language: Annotated[str | None, typer.Option(help="The language of the console.")] = None,
    queue: Queues = None,
    password_stdin: FromStdin = False,
    config: Config = None,
) -> None:
    """Add a user. Without --password-stdin a password is made and printed, this once.

    An operator without --phone chooses one at each log-in to the queues."""
    password = _password(password_stdin)
    queues = [_post(each) for each in queue or ()]

    async def work(store: Store) -> None:
        await store.add_user(
            name,
            role,
            password,
            display_name=display_name,
            phone=phone,
            mobile=mobile,
            language=language,
            queues=queues,
        )

    with_store(config, work)
    typer.echo(f"Added {name} ({role}).")
    _show(password, password_stdin)


@user_app.command("change")
def change_user(
    name: Name,
    queue: Queues = None,
    no_queues: Annotated[bool, typer.Option("--no-queues", help="Serve no queue.")] = False,
    phone: Phone = None,
    any_phone: Annotated[
        bool, typer.Option("--any-phone", help="No phone of one's own: chosen at the log-in.")
    ] = False,
    config: Config = None,
) -> None:
    """Change which queues a user serves, and from which phone. --queue names all of them anew. It
    holds from the next log-in to the queues on."""
    if (queue and no_queues) or (phone and any_phone):
        raise UserError("--queue and --no-queues, --phone and --any-phone exclude each other")
    changes: dict[str, object] = {}
    if queue or no_queues:
        changes["queues"] = tuple(_post(each) for each in queue or ())
    if phone or any_phone:
        changes["phone"] = phone
    if not changes:
        raise UserError("nothing to change: give --queue, --no-queues, --phone or --any-phone")

    async def work(store: Store) -> bool:
        return await store.update_user(name, changes) is not None

    if not with_store(config, work):
        raise UserError(f"there is no user {name}; see: cordboard user list")
    typer.echo(f"{name} is changed.")


@user_app.command("password")
def set_password(name: Name, password_stdin: FromStdin = False, config: Config = None) -> None:
    """Give a user a new password and end the user's sessions."""
    password = _password(password_stdin)

    async def work(store: Store) -> bool:
        return await store.set_password(name, password)

    if not with_store(config, work):
        raise UserError(f"there is no user {name}; see: cordboard user list")
    typer.echo(f"{name} has a new password.")
    _show(password, password_stdin)


@user_app.command("close")
def close_user(name: Name, config: Config = None) -> None:
    """Close an account: no login, sessions ended, tokens revoked. The history keeps the name."""

    async def work(store: Store) -> bool:
        await store.revoke_tokens(name)
        return await store.update_user(name, {"active": False}) is not None

    if not with_store(config, work):
        raise UserError(f"there is no user {name}; see: cordboard user list")
    typer.echo(f"{name}'s account is closed.")


@user_app.command("list")
def list_users(config: Config = None) -> None:
    """All users: name, role, phone, queues with their penalties, name that others see."""

    async def work(store: Store) -> list[str]:
        return [
            "\t".join(
                (
                    user.name,
                    user.role,
                    user.phone or "-",
                    ",".join(f"{queue}:{penalty}" for queue, penalty in user.queues) or "-",
                    user.display_name,
                )
            )
            + ("" if user.active else "\t(closed)")
            for user in await store.users()
        ]

    for line in with_store(config, work):
        typer.echo(line)


def token(name: Name, config: Config = None) -> None:
    """Print a new bearer token for a program that acts as this user. It is shown only now."""

    async def work(store: Store) -> str:
        user = await store.user(name)
        if user is None or not user.active:
            raise UserError(f"there is no active user {name}; see: cordboard user list")
        return await store.issue_token(user)

    typer.echo(with_store(config, work))


def audit(
    who: Annotated[
        str | None, typer.Option(help="Only what this user did, or had done to them.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many, the last ones.")] = 50,
    config: Config = None,
) -> None:
    """Say what was done to other people's states and calls, by whom and why; newest first."""
    from cordboard.crm_core.rules import user_key

    settings = load(config)
    name = None if who is None else user_key(who)

    async def work(store: Store) -> list[AuditRecord]:
        return await store.last_audits(limit, who=name)

    zone = ZoneInfo(settings.desk.timezone)
    for record in asyncio.run(_run(settings, work)):
        at = datetime.fromtimestamp(record.at, zone).strftime("%Y-%m-%d %H:%M:%S")
        done = f"{record.actor} ({record.role}): {record.action} {record.kind} {record.target}"
        typer.echo(f"{at}  {done}: {record.reason}")
        typer.echo(f"    it stood {record.before}, asked for {record.after}")


@db_app.command("upgrade")
def upgrade_database(config: Config = None) -> None:
    """Make the tables, or bring those of an older release up to this one."""
    from cordboard.crm_core.migrations import upgrade

    revision = asyncio.run(upgrade(load(config).database.url))
    typer.echo(f"The database is at revision {revision}.")


@import_app.command("customers")
def import_file(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV with titles in the first line: name, phones, and if you like kind, status,"
            " language, manager, balance, segment, tags, do_not_disturb, attribute.NAME."
        ),
    ],
    show: Annotated[int, typer.Option(min=0, help="How many faulty rows to print.")] = 20,
    config: Config = None,
) -> None:
    """Import customers. Whoever is there already, by number and name, is brought up to date; so a
    file may be imported again. Exits with 1 where rows were faulty."""
    from babel.numbers import get_currency_precision

    from cordboard.crm_core.imports import import_customers

    settings = load(config)
    printed = 0

    def fault(line: int, reason: str) -> None:
        nonlocal printed
        if printed < show:
            typer.echo(f"{file}:{line}: {reason}", err=True)
        printed += 1

    async def work(store: Store) -> Summary:
        digits = get_currency_precision(settings.crm.currency)
        return await import_customers(store, file, minor_digits=digits, on_fault=fault)

    summary = asyncio.run(_run(settings, work))
    if printed > show:
        typer.echo(f"… and {printed - show} more faulty rows (--show {printed})", err=True)
    if summary.unused_columns:
        typer.echo(f"Not used: columns {', '.join(summary.unused_columns)}", err=True)
    typer.echo(
        f"{summary.created} created, {summary.updated} updated,"
        f" {summary.skipped} unchanged, {summary.faults} faulty."
    )
    if summary.faults:
        raise typer.Exit(1)


def with_store(config: Path | None, work: Callable[[Store], Awaitable[T]]) -> T:
    return asyncio.run(_run(load(config), work))


async def _run(settings: Settings, work: Callable[[Store], Awaitable[T]]) -> T:
    from cordboard.crm_core.store import Store

    crm = settings.crm
    store = Store(
        settings.database.url, settings.phone.region, crm.statuses, crm.languages, crm.segments
    )
    await store.open()
    try:
        return await work(store)
    finally:
        await store.close()


def _post(text: str) -> tuple[str, int]:
    """Raises `UserError` for a penalty that is no number."""
    queue, colon, penalty = text.partition(":")
    if colon and not penalty.isdecimal():
        raise UserError(f"--queue {text}: the penalty behind the colon must be a number")
    return queue, int(penalty) if colon else 0


def _password(from_stdin: bool) -> str:
    return sys.stdin.readline().rstrip("\r\n") if from_stdin else secrets.token_urlsafe(12)


def _show(password: str, from_stdin: bool) -> None:
    if not from_stdin:
        typer.echo(f"Password: {password}")
