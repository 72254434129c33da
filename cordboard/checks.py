"""`cordboard check`: everything that is wrong with an installation, said at once."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from cordboard import library, rulebook
from cordboard.config import Pbx, Settings, is_loopback, load
from cordboard.crm_core import phones
from cordboard.crm_core.store import Store
from cordboard.cti.connection import Connection, LinkCounters, LoginRefused, log_in
from cordboard.errors import CordboardError, PeerError, UserError
from cordboard.ivr.prompts import prompts_of
from cordboard.ivr.utterances import utterances
from cordboard.ivr.voices import Voices
from cordboard.lookups import Lookups
from cordboard.outbound import is_public, reach, secret_headers
from cordboard.queue import lint
from cordboard.queue.lint import House
from cordboard.queue.policy import Policy
from cordboard.queue.sources import Lines
from cordboard.screenpop.translations import LANGUAGES
from cordboard.webhooks import keys_of

NEEDED = {
    "CoreStatus": "read=reporting or write=reporting",
    "CoreShowChannels": "write=reporting",
    "QueueStatus": "no class at all; is app_queue loaded?",
    "Getvar": "write=call or reporting",
    "Setvar": "write=call",
    "Hangup": "write=call",
    "QueueAdd": "write=agent",
    "QueueRemove": "write=agent",
    "QueuePause": "write=agent",
    "QueueChangePriorityCaller": "no class, but Asterisk 18.20, 20.5 or later",
    "QueueWithdrawCaller": "no class, but Asterisk 18.11, 19.3 or later",
    "PlayDTMF": "write=call; is app_senddtmf loaded?",
    "Originate": "write=originate",
}
"""The actions that cordboard sends, and what the AMI account needs for them."""

PATCHED = {20: (20, 20, 1), 22: (22, 10, 1), 23: (23, 4, 1)}
"""The first release of each branch without the holes that were published in 2026."""


VOICES = frozenset({"en", "es", "fr", "it", "ja", "ru", "sv"})
"""The languages of Asterisk's core sounds."""


async def remarks(config: Path | None) -> list[str]:
    """What is no fault, but might surprise. Raises `UserError` for a file with faults."""
    settings = load(config)
    mute = [one for one in settings.crm.languages if one not in VOICES]
    found = [
        f"Note: Asterisk's free sounds have no voice for {language}; its callers hear English,"
        f" unless recordings of your own stand in sounds/{language}"
        for language in mute
    ]
    distant = [pbx.host for pbx in settings.pbx if not is_loopback(f"{pbx.host}:{pbx.port}")]
    if distant and not settings.prompts.url:
        found.append(
            f"Note: the PBX at {distant[0]} is told where prompts lie on this machine; unless it"
            " runs here too, set [prompts] url, so that it fetches them"
        )
    for lookup in settings.lookup:
        plain = lookup.secret_file is not None and urlsplit(lookup.url).scheme == "http"
        if plain and await is_public(lookup.url):
            found.append(
                f"Note: [[lookup]] {lookup.name} url {lookup.url}: what stands in secret_file is"
                " sent there unencrypted, for everybody on the way to read; use https://"
            )
    return found


async def find_faults(config: Path | None) -> list[str]:
    """One line a fault: where, what, how to mend it. Empty when all is well."""
    try:
        settings = load(config)
    except UserError as error:
        return str(error).splitlines()
    faults = _files(settings)
    unread, logins = await _database(settings)
    faults += unread
    faults += _spool(settings.spool.path)
    queues: set[str] | None = None
    targets = _targets(settings)
    for pbx in settings.pbx:
        found, known = await _pbx(pbx, targets)
        faults += found
        queues = known if queues is None else queues & known if known else queues
    faults += _rules(settings, queues, logins)
    faults += await _scripts(settings, queues, logins)
    faults += await _outside(settings)
    faults += await _prompts(settings)
    if not settings.pbx:
        faults.append("[[pbx]]: none is configured; name the Asterisk to connect to")
    return faults


async def answers(config: Path | None, number: str) -> list[str]:
    """What each lookup says of this number, one line each. Raises `UserError`."""
    settings = load(config)
    e164 = phones.normalise(number, settings.phone.region)
    if e164 is None:
        raise UserError(f"{number} is not a telephone number")
    store = Store(settings.database.url, settings.phone.region)
    try:
        await store.open()
        users, card = await store.users(), await store.card_by_number(e164)
    except PeerError as error:
        raise UserError(f"[database] url: {error}") from error
    finally:
        await store.close()
    lookups = Lookups(settings)
    lookups.employ(users)
    try:
        return [
            f"[[lookup]] {name}: {said}"
            for name, said in await lookups.say(e164, card.customer_id if card else None)
        ]
    finally:
        await lookups.close()


async def _outside(settings: Settings) -> list[str]:
    """The other systems: their secrets, their words in ours, and whether they can be reached."""
    faults, crm = [], settings.crm
    for lookup in settings.lookup:
        where = f"[[lookup]] {lookup.name}"
        ours = ((lookup.values.status, crm.statuses), (lookup.values.language, crm.languages))
        for words, known in ours:
            faults += [
                f"{where}: values: {word!r} is none of {', '.join(known)} in [crm]"
                for word in dict.fromkeys(words.values())
                if word not in known
            ]
        try:
            secret_headers(where, lookup.secret_file)
        except UserError as error:
            faults.append(str(error))
    for webhook in settings.webhook:
        try:
            keys_of(webhook)
        except UserError as error:
            faults.append(str(error))
    named = [("lookup", each) for each in settings.lookup]
    named += [("webhook", each) for each in settings.webhook]  # type: ignore[misc]
    reached = await asyncio.gather(
        *(reach(each.url, allow_private=each.allow_private) for _, each in named)
    )
    for (table, each), why in zip(named, reached, strict=True):
        if why is not None:
            faults.append(f"[[{table}]] {each.name} url {each.url}: {why}; is it running there?")
    return faults


async def _prompts(settings: Settings) -> list[str]:
    """The voices that are named: those of other languages matter only to who uses them."""
    known, faults = Voices(settings.prompts.voices), []
    for language, name in settings.prompts.voices.items():
        if why := await known.trouble(language):
            faults.append(f'[prompts] voices: {language} = "{name}": {why}')
    for key, path in (("path", settings.prompts.path), ("personal", settings.prompts.personal)):
        if fault := _folder_fault(f"[prompts] {key}", path):
            faults.append(fault)
    return faults


def _files(settings: Settings) -> list[str]:
    http = settings.http
    named = {
        "[http] certificate": http.certificate,
        "[http] key": http.key,
    }
    faults = [
        f"{key} {path}: no such file or folder; name one that is there"
        for key, path in named.items()
        if path is not None and not path.exists()
    ]
    return faults + _recorder(settings)


def _recorder(settings: Settings) -> list[str]:
    ring = settings.recorder
    if not ring.minutes:
        return []
    fault = _folder_fault("[recorder] path", ring.path)
    return [f"{fault}, or turn the recorder off with minutes = 0"] if fault else []


def _folder_fault(key: str, path: Path) -> str | None:
    # What is not there yet is made by the server; the nearest folder that is must let it.
    there = next(one for one in (path, *path.absolute().parents) if one.exists())
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return None
    return f"{key} {path}: {there} is no folder that this user may write to; name one"


def _rules(settings: Settings, queues: set[str] | None, logins: set[str] | None) -> list[str]:
    path = settings.routing.path
    try:
        policy, text = rulebook.read(path)
    except UserError as error:
        return str(error).splitlines()
    crm = settings.crm
    house = House(crm.statuses, crm.languages, crm.segments, queues or None, logins, LANGUAGES)
    return [f"{path}:{fault}" for fault in lint.faults(policy, text, house)]


async def _scripts(
    settings: Settings, queues: set[str] | None, logins: set[str] | None
) -> list[str]:
    """What is wrong with the scripts, and what they say and no caller would hear."""
    try:
        calendars: Collection[str] | None = rulebook.read(settings.routing.path)[0].calendar
    except UserError:
        calendars = None  # `_rules` tells why
    house = library.house_of(settings, calendars, queues, logins)
    try:
        found = [library.read(path) for path in library.files(settings.scripts.path)]
    except UserError as error:
        return str(error).splitlines()
    faults = [fault for each in library.together(found, house) for fault in each.faults]
    lines = [
        line
        for each in found
        if each.script is not None
        for line in utterances(each.script, str(each.path), each.source)
    ]
    return faults + await prompts_of(settings).missing(lines)


def _targets(settings: Settings) -> dict[str, str]:
    """What the dialplan must have for us and for what rules lead to: its function that tells
    whether it is there, and the fault if it does not. A rule file that cannot be read is none."""
    path = settings.routing.path
    try:
        policy, text = rulebook.read(path)
    except UserError:
        policy, text = Policy(default_queue="none"), ""
    needed = ["cordboard-call,s", "cordboard-back,s"]
    if settings.announce.every:
        needed.append("cordboard-announce,say")
    if any(rule.callback for rule in policy.rule):
        needed += ["cordboard-waiting,1", "cordboard-callback,wait"]
    found = {
        f"DIALPLAN_EXISTS({place},1)": (
            f"the dialplan has no {place.replace(',', ', extension ')}: compare extensions.conf"
            " with the one in config/asterisk/22, which is of this release, and reload it"
        )
        for place in needed
    }
    lines = Lines(text)
    for index, rule in enumerate(policy.rule):
        key, box = ("to", rule.to) if rule.action == "voicemail" else ("overflow", None)
        if rule.overflow:
            box = rule.overflow.voicemail
        if box is not None:
            found[f"VM_INFO({box},exists)"] = (
                f"{path}:{lines.of('rule', index, key)}: rule {rule.name!r}: there is no mailbox"
                f" {box!r}; add it to voicemail.conf, and see that app_voicemail is loaded"
            )
        if rule.action == "script":
            found[f"DIALPLAN_EXISTS(cordboard-scripts,{rule.to},1)"] = (
                f"{path}:{lines.of('rule', index, 'to')}: rule {rule.name!r}: there is no script"
                f" {rule.to!r}; add it to the context cordboard-scripts in extensions.conf"
            )
    return found


async def _database(settings: Settings) -> tuple[list[str], set[str] | None]:
    """Its faults, and the logins of all users that it has ever had."""
    try:
        store = Store(settings.database.url, settings.phone.region)
        await store.open()
        try:
            return [], {user.name for user in await store.users()}
        finally:
            await store.close()
    except UserError as error:
        return str(error).splitlines(), None
    except CordboardError as error:
        return [f"[database] url: {error}"], None


def _spool(path: Path) -> list[str]:
    """Looks only: a running server has the file open."""
    place = path if path.exists() else path.parent
    while not place.exists():
        place = place.parent  # which the server makes
    kind_fits = not place.is_dir() if path.exists() else place.is_dir()
    if kind_fits and os.access(place, os.W_OK):
        return []
    return [f"[spool] path {path}: cannot be written; name a file that the server may write"]


async def _pbx(pbx: Pbx, targets: Mapping[str, str]) -> tuple[list[str], set[str]]:
    """The faults of one PBX and the queues it has. `targets` as `_targets` found them."""
    where = f"[[pbx]] {pbx.name} ({pbx.host}:{pbx.port})"
    queues: set[str] = set()
    members: list[str] = []

    def hear(message: object, _born: float) -> None:
        headers = getattr(message, "headers", {})
        if headers.get("Event") == "QueueParams":
            queues.add(headers.get("Queue", ""))
        elif headers.get("Event") == "QueueMember":
            members.extend(_blind(headers))

    try:
        secret = pbx.secret()
        connection = await log_in(pbx.host, pbx.port, pbx.user, secret, LinkCounters(), hear)
    except LoginRefused as error:
        advice = "compare user and secret_file with the account in manager.conf"
        return [f"{where}: {error}; {advice}"], queues
    except UserError as error:
        return [str(error)], queues
    except (PeerError, OSError, TimeoutError) as error:
        reason = str(error) or "no answer"
        return [f"{where}: {reason}; is Asterisk running, and enabled=yes in manager.conf?"], queues
    faults: list[str] = []
    try:
        faults += [f"{where}: {fault}" for fault in await _account(connection)]
        await connection.list("QueueStatus")
        faults += [f"{where}: {fault}" for fault in members]
        for function, fault in targets.items():
            if (await connection.act("Getvar", {"Variable": function}))["Value"] != "1":
                faults.append(f"{fault}, on {pbx.name}")
    except PeerError as error:
        faults.append(f"{where}: {error}")
    finally:
        connection.drop("checked")
    return faults, queues


def _blind(member: Mapping[str, str]) -> list[str]:
    """A member behind a Local channel whose own device is not named: Asterisk believes that he is
    free while he talks, and offers him the next caller."""
    interface, state = member.get("Location", ""), member.get("StateInterface", "")
    if not interface.startswith("Local/") or (state and not state.startswith("Local/")):
        return []
    return [
        f"queue {member.get('Queue', '')}: member {interface} looks free while he talks; name his"
        f" phone behind his name in queues.conf: member => {interface},0,Name,PJSIP/…"
    ]


async def _account(connection: Connection) -> list[str]:
    offered = (await connection.act("ListCommands")).headers
    faults = [
        f"the account may not use {action}: it needs {needs}"
        for action, needs in NEEDED.items()
        if action not in offered
    ]
    if "Command" in offered or "ModuleLoad" in offered:
        faults.append(
            "the account may run any command (write=command or system): take these classes out,"
            " whoever has the secret is root on the PBX"
        )
    version = (await connection.act("CoreSettings"))["AsteriskVersion"]
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:3])
    patched = PATCHED.get(numbers[0]) if numbers else None
    if patched and numbers < patched:
        faults.append(
            f"Asterisk {version} has known holes; update to {'.'.join(map(str, patched))}"
        )
    return faults
