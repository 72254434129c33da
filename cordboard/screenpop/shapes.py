"""What the store remembers beside the board's objects (`render`), in the stream's shapes. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from cordboard.crm_core.model import AuditRecord, CallRecord, Customer, User
from cordboard.desk.model import Gap
from cordboard.screenpop.render import unseen
from cordboard.screenpop.views import Message, moment


def remembered_call(
    call: CallRecord, customer: Customer | None, gaps: Iterable[Gap] = ()
) -> Message:
    """A Call of docs/stream.md; `customer` is the one of its `customer_id`, `gaps` are when it was
    not seen."""
    return {
        "id": call.id,
        "linkedid": call.linkedid,
        "pbx": call.pbx,
        "from": call.number,
        "name": call.name,
        "to": call.dialled,
        "customer": customer
        and {"id": customer.id, "name": customer.name, "status": customer.status},
        "queue": call.queue,
        "operator": call.operator,
        "direction": call.direction,
        "state": call.state,
        "cause": call.cause,
        "started_at": moment(call.started_at),
        "answered_at": None if call.answered_at is None else moment(call.answered_at),
        "ended_at": None if call.ended_at is None else moment(call.ended_at),
        "unseen": unseen(gaps),
    }


def user(shown: User) -> Message:
    """The `user` of a snapshot."""
    return {
        "name": shown.name,
        "display_name": shown.display_name,
        "role": shown.role,
        "phone": shown.phone,
        "language": shown.language,
        "queues": [queue for queue, _ in shown.queues],
    }


def audited(record: AuditRecord, names: Mapping[str, str]) -> Message:
    """A row of the audit; `names` are the users' display names."""
    return {
        "id": record.id,
        "at": moment(record.at),
        "actor": record.actor,
        "actor_name": names.get(record.actor, record.actor),
        "role": record.role,
        "kind": record.kind,
        "action": record.action,
        "target": record.target,
        "target_name": names.get(record.target) if record.kind == "operator" else None,
        "reason": record.reason,
        "before": json.loads(record.before),
        "after": json.loads(record.after),
    }
