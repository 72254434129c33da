"""What must hold after every fault, told from outside: by Asterisk itself, by its own queue_log,
by the phones."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from pathlib import Path
from typing import Any

from pbx_fixtures import Heard
from server_fixtures import Message, Server

from cordboard.accounting import account
from cordboard.cti.queue_log import read_queue_log
from cordboard.evidence import gaps_of

NAMES = ("anna", "boris", "elena", "desi", "georgi", "john")
"""Who may have a login here, in the order of their phones."""


async def fresh(ami: Heard) -> list[dict[str, str]]:
    """The items of a QueueStatus asked for now, on a connection of the test's own."""
    before = len(ami.heard)
    await ami.ask("QueueStatus")
    await ami.until(
        b"Event: QueueStatusComplete", within=f"ActionID: record-{ami._number}".encode()
    )
    text = bytes(ami.heard[before:]).decode(errors="replace")
    return [
        dict(line.partition(": ")[::2] for line in frame.split("\r\n"))
        for frame in text.split("\r\n\r\n")
    ]


def differences(items: list[dict[str, str]], picture: Message) -> list[str]:
    """Where our picture is not Asterisk's: who waits where, in which order; who is there."""
    found = []
    linkedids = {call["id"]: call["linkedid"] for call in picture["calls"]}
    ours: dict[str, list[str]] = {}
    for entry in picture["waiting"]:
        ours.setdefault(entry["queue"], []).append(linkedids.get(entry["call"], "no such call"))
    theirs: dict[str, list[str]] = {}
    for item in sorted(items, key=lambda item: int(item.get("Position", 0))):
        if item.get("Event") == "QueueEntry":
            theirs.setdefault(item["Queue"], []).append(item["Uniqueid"])
    if ours != theirs:
        found.append(f"waiting: Asterisk has {theirs}, the picture {ours}")
    operators = {operator["name"]: operator for operator in picture["operators"]}
    by_phone = {f"PJSIP/{1001 + n}": name for n, name in enumerate(NAMES) if name in operators}
    by_phone |= {one["phone"]: one["name"] for one in operators.values() if one["phone"]}
    paused: dict[str, list[tuple[str, str]]] = {}
    for item in items:
        if item.get("Event") != "QueueMember":
            continue
        phone = item["Location"]
        operator = operators.get(by_phone.get(phone, phone))
        if operator is None:
            found.append(f"no operator for {phone}")
            continue
        state = operator["state"]
        paused.setdefault(operator["name"], []).append((item["Paused"], item["PausedReason"]))
        if item["Status"] in ("4", "5") and state not in ("offline", "wrap-up"):
            found.append(f"{phone} is away, and {state} in the picture")
        if item["Status"] == "2" and item["InCall"] == "1" and state not in ("talking", "on-hold"):
            found.append(f"{phone} talks, and is {state} in the picture")
        if item["Status"] == "1" and state not in ("ready", "paused", "wrap-up"):
            found.append(f"{phone} is free, and {state} in the picture")
    for name, said in paused.items():
        theirs_too = said[0][1] if all(held == "1" for held, _ in said) else None
        reason = operators[name]["reason"]
        if reason != theirs_too:
            found.append(f"{name}: Asterisk says paused for {theirs_too}, the picture {reason}")
    return found


async def picture_is_true(server: Server, ami: Heard, within: float = 2.0) -> None:
    """The wallboard equals a fresh QueueStatus within `within` seconds of now."""
    ends = time.monotonic() + within
    while True:
        found = differences(await fresh(ami), await server.snapshot("maria"))
        if not found:
            return
        if time.monotonic() > ends:
            raise AssertionError("; ".join(found) + "\n" + server.said()[-1500:])
        await asyncio.sleep(0.1)


async def books_are_right(
    server: Server,
    calls: int,
    queue_log: str,
    since: int,
    *,
    durations: bool = True,
    explained: bool = False,
) -> None:
    """Every call of SIPp's has one row in the store, and it is closed; every stay in a queue is
    there once and ended as queue_log says, also where we did not see it; and lasted as long, where
    nothing explains it. `since` is queue_log's size at the beginning; `explained`: some ended
    otherwise than queue_log says, for which there is evidence."""
    found: list[Any] = []
    for _ in range(300):
        rows = await server.calls()
        async with server.store() as store:
            entries = await store.entries_since(0)
            facts = await store.queued_facts(0, math.inf, pbx="sandbox")
            links = await store.link_facts("sandbox")
        log = read_queue_log({"queue_log": Path(queue_log).read_bytes()[since:].decode()})
        found = [f"{row.linkedid} is {row.state}" for row in rows if row.state != "ended"]
        twice = Counter((row.boot, row.linkedid) for row in rows)
        found += [f"{key} has {count} rows" for key, count in twice.items() if count > 1]
        if len(rows) != calls:
            found.append(f"{calls} calls, {len(rows)} rows")
        for one in account(log, entries, facts, gaps_of(links)).differences:
            strict = one.about in ("stay", "outcome") and not explained
            if strict or (durations and one.cause is None):
                found.append(str(one))
        if not found:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("; ".join(found))


def rings(heard: Heard) -> Counter[tuple[str, str]]:
    """How often Asterisk called each phone for each call: by (phone, Linkedid)."""
    seen = {
        event["DestUniqueid"]: (event["DestChannel"].rpartition("-")[0], event["Linkedid"])
        for event in heard.events("DialBegin", "AgentCalled")
        if event.get("DestChannel", "").startswith("PJSIP/1")
    }
    return Counter(seen.values())


def pops(messages: list[Message]) -> Counter[tuple[str, str]]:
    """How many cards each operator had for each call, over all of a console's connections."""
    phones = {"anna": "PJSIP/1001", "boris": "PJSIP/1002"}
    seen: dict[str, tuple[str, str]] = {}
    for message in messages:
        shown = message["pops"] if message["type"] == "snapshot" else [message]
        for pop in shown if message["type"] in ("snapshot", "screenpop") else ():
            operator = pop["operator"]
            seen[pop["id"]] = (phones.get(operator, operator), pop["call"]["linkedid"])
    return Counter(seen.values())
