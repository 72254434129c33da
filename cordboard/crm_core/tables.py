"""The tables. Plain Core tables, not mapped classes: the records of `model` are the objects.

Times are float seconds since the epoch in double precision, as in the records: a double holds
today's time to a quarter of a microsecond and comes back bit for bit from both databases, so what
is read equals what was written. Money is an integer of minor units.

What the telephone's side writes (call, queue_entry, call_fact) refers to nothing by foreign key
except to a customer that may be erased: the accounting of calls must not be refused because
another row came late.
"""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    Uuid,
    event,
    false,
    text,
)

from cordboard.crm_core.respondent_states import HELD

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Words(TypeDecorator[str]):
    """Text from outside. A caller's name as it came off the wire may hold NUL, which PostgreSQL
    refuses, or a lone surrogate, which no database can store; one such name must not hold up the
    other calls of its group."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None or (value.isascii() and "\0" not in value):
            return value
        return value.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


class Json(TypeDecorator[Any]):
    """A list or an object, as JSON; what is empty is NULL, and read back as None."""

    impl = Words
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return json.dumps(value, ensure_ascii=False) if value else None

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


def _id(*args: Any, **options: Any) -> Column[str]:
    name, *rest = args if args and isinstance(args[0], str) else ("id", *args)
    return Column(name, Uuid(as_uuid=False), *rest, **options)


def _time(name: str, *, nullable: bool = False) -> Column[float]:
    return Column(name, Double(), nullable=nullable)


app_user = Table(
    "app_user",
    metadata,
    _id(primary_key=True),
    Column("name", Words(), nullable=False, unique=True),  # as `rules.user_key` gives it
    Column("display_name", Words(), nullable=False),
    Column("role", String(16), nullable=False),
    Column("password_hash", Text(), nullable=False),
    Column("phone", Words()),
    Column("mobile", String(16)),
    Column("language", String(16)),
    Column("active", Boolean(), nullable=False),
    # As JSON, [["support-ru", 1]]: read and written whole, with the user.
    Column("queues", Text(), nullable=False, server_default="[]"),
)
Index(  # a ringing phone must lead to one operator
    "uq_app_user_phone_active",
    app_user.c.phone,
    unique=True,
    sqlite_where=text("active"),
    postgresql_where=text("active"),
)

session = Table(
    "session",
    metadata,
    Column("id", String(64), primary_key=True),  # SHA-256: a stolen database opens no session
    _id("user_id", ForeignKey("app_user.id", ondelete="CASCADE"), nullable=False, index=True),
    _time("created_at"),
    Column("expires_at", Double(), nullable=False, index=True),
    _time("last_seen_at"),
)

api_token = Table(
    "api_token",
    metadata,
    Column("id", String(64), primary_key=True),  # SHA-256
    _id("user_id", ForeignKey("app_user.id", ondelete="CASCADE"), nullable=False, index=True),
    _time("created_at"),
    _time("revoked_at", nullable=True),
)

customer = Table(
    "customer",
    metadata,
    _id(primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("name", Words(), nullable=False),
    Column("search", Words(), nullable=False, index=True),  # as `rules.search_key` gives it
    Column("status", Words(), nullable=False),
    Column("language", String(16)),
    _id("manager_id", ForeignKey("app_user.id", ondelete="SET NULL"), index=True),
    Column("balance_minor", BigInteger()),
    _time("created_at"),
    _time("updated_at"),
    Column("segment", Words()),
    Column("tags", Json()),
    Column("do_not_disturb", Boolean(), nullable=False, server_default=false()),
    Column("attributes", Json()),
    Column("pin_hash", Text()),
)

customer_attribute = Table(  # the same as `customer.attributes`, to find customers by
    "customer_attribute",
    metadata,
    _id(
        "customer_id",
        ForeignKey("customer.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("name", Words(), primary_key=True),
    Column("value", Words(), nullable=False),
    Index(None, "name", "value"),
)

phone = Table(
    "phone",
    metadata,
    _id(
        "customer_id",
        ForeignKey("customer.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("e164", String(16), primary_key=True, index=True),
    Column("position", Integer(), nullable=False),  # 0 is the main number
    sqlite_with_rowid=False,  # the index on e164 then leads to the customer without a second look
)

call = Table(
    "call",
    metadata,
    _id(primary_key=True),
    Column("pbx", Words(), nullable=False),
    Column("boot", Words(), nullable=False),
    Column("linkedid", Words(), nullable=False),
    Column("number", Words(), nullable=False),
    Column("name", Words(), nullable=False),
    Column("dialled", Words(), nullable=False),
    _id("customer_id", ForeignKey("customer.id", ondelete="SET NULL"), index=True),
    Column("queue", Words()),
    Column("operator", Words()),
    Column("direction", Words(), nullable=False, server_default="in"),
    Column("state", Words(), nullable=False),
    Column("cause", Words()),
    Column("why", Words(), nullable=False),
    Column("started_at", Double(), nullable=False, index=True),
    _time("answered_at", nullable=True),
    _time("ended_at", nullable=True),
    # Not unique: a dialplan may choose a ChannelId, and with it the Linkedid, and choose it again.
    Index(None, "pbx", "boot", "linkedid"),
    Index(None, "number", "started_at"),
)
Index(
    "ix_call_open",
    call.c.pbx,
    sqlite_where=text("ended_at IS NULL"),
    postgresql_where=text("ended_at IS NULL"),
)

queue_entry = Table(
    "queue_entry",
    metadata,
    _id(primary_key=True),
    _id("call_id", nullable=False, index=True),
    Column("pbx", Words(), nullable=False),
    Column("boot", Words(), nullable=False),
    Column("uniqueid", Words(), nullable=False),
    Column("queue", Words(), nullable=False),
    Column("priority", Integer(), nullable=False),
    Column("entered_at", Double(), nullable=False, index=True),
    Column("outcome", Words()),
    Column("operator", Words()),
    _time("left_at", nullable=True),
    UniqueConstraint("pbx", "boot", "uniqueid", "queue", "entered_at"),
)

call_fact = Table(
    "call_fact",
    metadata,
    Column("id", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True),
    _id("digest", nullable=False, unique=True),  # of all that follows
    _id("call_id", nullable=False, index=True),
    _time("at"),
    Column("kind", Words(), nullable=False),
    Column("data", Words(), nullable=False),
    sqlite_autoincrement=True,
)

callback = Table(
    "callback",
    metadata,
    _id(primary_key=True),
    Column("pbx", Words(), nullable=False),
    _id("call_id", nullable=False, index=True),  # of the caller who asked for it
    Column("number", Words(), nullable=False),
    Column("name", Words(), nullable=False),
    Column("shown", Words(), nullable=False),
    Column("queue", Words(), nullable=False),
    Column("priority", Integer(), nullable=False),
    Column("least", Integer()),
    Column("most", Integer()),
    Column("language", Words(), nullable=False),
    Column("hours", Words()),
    Column("why", Words(), nullable=False),
    _time("entered_at"),
    _time("asked_at"),
    Column("made", Integer(), nullable=False),
    Column("tries", Integer(), nullable=False),
    _time("due_at", nullable=True),
    Column("result", Words()),
    _time("ended_at", nullable=True),
)
Index(
    "ix_callback_open",
    callback.c.pbx,
    sqlite_where=text("ended_at IS NULL"),
    postgresql_where=text("ended_at IS NULL"),
)

operator_state = Table(
    "operator_state",
    metadata,
    _id(primary_key=True),
    Column("operator", Words(), nullable=False),
    Column("state", Words(), nullable=False),
    Column("reason", Words()),
    Column("since", Double(), nullable=False, index=True),
    _time("until", nullable=True),
    _time("due", nullable=True),
    Column("pbx", Words(), nullable=False),
    Column("boot", Words(), nullable=False),
    Column("phone", Words(), nullable=False),
    Index(None, "operator", "since"),
)
Index(
    "ix_operator_state_open",
    operator_state.c.operator,
    sqlite_where=text("until IS NULL"),
    postgresql_where=text("until IS NULL"),
)
audit = Table(
    "audit",
    metadata,
    _id(primary_key=True),
    Column("at", Double(), nullable=False, index=True),
    Column("actor", Words(), nullable=False),
    Column("role", Words(), nullable=False),
    Column("kind", Words(), nullable=False),
    Column("action", Words(), nullable=False),
    Column("target", Words(), nullable=False, index=True),
    Column("reason", Words(), nullable=False),
    Column("before", Words(), nullable=False),
    Column("after", Words(), nullable=False),
)
KEPT = {
    "sqlite": [
        f"CREATE TRIGGER audit_is_kept_from_{change.lower()} BEFORE {change} ON audit"
        " BEGIN SELECT RAISE(ABORT, 'rows of audit are only ever added'); END"
        for change in ("UPDATE", "DELETE")
    ],
    "postgresql": [
        "CREATE FUNCTION audit_is_kept() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'rows of audit are only ever added'; END $$",
        "CREATE TRIGGER audit_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit"
        " FOR EACH STATEMENT EXECUTE FUNCTION audit_is_kept()",
    ],
}
"""Whoever has the store's own password cannot rewrite the audit by an oversight, either."""
for _dialect, _statements in KEPT.items():
    for _statement in _statements:
        event.listen(audit, "after_create", DDL(_statement).execute_if(dialect=_dialect))  # type: ignore[no-untyped-call]

policy = Table(  # the rule files that decisions were made by
    "policy",
    metadata,
    Column("fingerprint", String(32), primary_key=True),
    _time("since"),
    Column("text", Words(), nullable=False),
)

interaction = Table(
    "interaction",
    metadata,
    _id(primary_key=True),
    _id("customer_id", ForeignKey("customer.id", ondelete="SET NULL")),
    _id("call_id"),
    Column("operator", Words()),
    Column("queue", Words()),
    _time("started_at"),
    _time("ended_at", nullable=True),
    Column("outcome", Words()),
    Column("result", Words()),
    Column("note", Words(), nullable=False),
    Index(None, "customer_id", "started_at"),
    UniqueConstraint("call_id", "operator"),
)

script_run = Table(
    "script_run",
    metadata,
    _id(primary_key=True),
    Column("script", Words(), nullable=False),
    Column("version", String(32), nullable=False),
    Column("channel", String(16), nullable=False),
    _id("call_id", index=True),
    _id("customer_id", ForeignKey("customer.id", ondelete="SET NULL")),
    _id("respondent_id", index=True),
    Column("number", Words(), nullable=False),
    Column("operator", Words()),
    Column("queue", Words()),
    Column("status", Words()),
    Column("language", String(16), nullable=False),
    _time("started_at"),
    _time("ended_at", nullable=True),
    Column("outcome", String(16)),
    Column("step", Words(), nullable=False),
    Column("path", Words(), nullable=False),
    Index(None, "script", "started_at"),
    Index(None, "customer_id", "started_at"),
    Index(None, "number", "started_at"),
)
Index(
    "ix_script_run_open",
    script_run.c.started_at,
    sqlite_where=text("ended_at IS NULL"),
    postgresql_where=text("ended_at IS NULL"),
)

answer = Table(  # the last one that was given to a question of a run
    "answer",
    metadata,
    _id("run_id", primary_key=True),
    Column("question", Words(), primary_key=True),
    Column("step", Words(), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("value", Words(), nullable=False),
    _time("at"),
    Column("file", Words()),
    Column("scale", String(16)),
)

form_draft = Table(  # what was entered on a form, in order
    "form_draft",
    metadata,
    _id("run_id", primary_key=True),
    Column("version", Integer(), nullable=False),  # one more with each entry
    Column("language", String(16), nullable=False),
    Column("entries", Json()),
)

survey_refusal = Table(
    "survey_refusal",
    metadata,
    _id(primary_key=True),
    _id("customer_id", ForeignKey("customer.id", ondelete="CASCADE"), index=True),
    Column("number", Words(), nullable=False, index=True),
    Column("script", Words()),  # NULL: no survey at all
    _time("at"),
)

respondent_list = Table(
    "respondent_list",
    metadata,
    _id(primary_key=True),
    Column("name", Words(), nullable=False, unique=True),
    Column("script", Words(), nullable=False),
    Column("language", String(16)),
    Column("hours", Words()),
    Column("tries", Integer(), nullable=False),
    Column("again_minutes", Double(), nullable=False),
    _time("created_at"),
    Column("created_by", Words(), nullable=False),
    _time("closed_at", nullable=True),
)

_HELD = text(f"state IN ({', '.join(map(repr, HELD))})")

respondent = Table(
    "respondent",
    metadata,
    _id(primary_key=True),
    _id("list_id", ForeignKey("respondent_list.id", ondelete="CASCADE"), nullable=False),
    Column("position", Integer(), nullable=False),
    Column("number", String(16), nullable=False),
    Column("name", Words(), nullable=False),
    _id("customer_id", ForeignKey("customer.id", ondelete="SET NULL"), index=True),
    Column("language", String(16)),
    Column("attributes", Json()),
    Column("state", String(16), nullable=False),
    Column("revision", Integer(), nullable=False),
    Column("dials", Integer(), nullable=False),
    Column("tries", Integer(), nullable=False),
    _time("due_at", nullable=True),
    Column("due_for", Words()),
    Column("taken_by", Words()),
    _time("taken_at", nullable=True),
    Column("result", Words()),
    _id("run_id"),
    Column("note", Words(), nullable=False),
    _time("ended_at", nullable=True),
    UniqueConstraint("list_id", "number"),
    Index(None, "list_id", "position"),
    Index(None, "list_id", "state"),
)
Index(  # an operator has one person at a time
    "uq_respondent_held",
    respondent.c.taken_by,
    unique=True,
    sqlite_where=_HELD,
    postgresql_where=_HELD,
)

respondent_attempt = Table(
    "respondent_attempt",
    metadata,
    _id(primary_key=True),
    _id("respondent_id", nullable=False, index=True),
    Column("dial", Integer(), nullable=False),
    Column("operator", Words(), nullable=False),
    Column("pbx", Words(), nullable=False),
    _time("at"),
    _id("call_id"),
    _time("answered_at", nullable=True),
    _time("ended_at", nullable=True),
    Column("result", Words()),
)

webhook = Table(
    "webhook",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("position", BigInteger(), nullable=False),  # the last call_fact.id that it has read
    Column("gone", Text()),  # the URL that said so
)

webhook_owed = Table(
    "webhook_owed",
    metadata,
    Column("webhook", String(32), ForeignKey("webhook.name", ondelete="CASCADE"), primary_key=True),
    Column("position", BigInteger(), primary_key=True, autoincrement=False),
    Column("attempts", Integer(), nullable=False),
    _time("due"),
)
