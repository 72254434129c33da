"""The made-up customers of the demo and what they talked about, so that the first card already
shows a history."""

from __future__ import annotations

import csv
from pathlib import Path

from cordboard.crm_core.imports import import_customers
from cordboard.crm_core.model import Interaction
from cordboard.crm_core.store import Store
from cordboard.errors import UserError
from cordboard.events import derived_id

DAY = 86_400.0


async def load_sample(store: Store, folder: Path, now: float) -> int:
    """Loads `customers.csv` and `history.csv` of `folder`, whose contacts lie so many days before
    `now`; how many customers there are. Loading them again changes nothing but those times.

    The users whom the files name must be there. Raises `UserError` for faulty files, `PeerError`.
    """
    faults: list[str] = []
    path = folder / "customers.csv"
    summary = await import_customers(
        store, path, on_fault=lambda line, reason: faults.append(f"{path}:{line}: {reason}")
    )
    if faults:
        raise UserError("\n".join(faults))
    await store.write(await _contacts(store, folder / "history.csv", now))
    return summary.created + summary.updated + summary.skipped


async def _contacts(store: Store, path: Path, now: float) -> list[Interaction]:
    contacts = []
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file, delimiter=";")):
            card = await store.card_by_number(row["phone"])
            if card is None:
                raise UserError(f"{path}: {row['phone']} is nobody in customers.csv")
            began = now - float(row["days_ago"]) * DAY
            contact = Interaction(
                # From the row's place, not its time: the next demo has the same contacts.
                id=derived_id(0, "sample", str(number), row["phone"]),
                customer_id=card.customer.id,
                call_id=None,
                operator=row["operator"] or None,
                queue=row["queue"] or None,
                started_at=began,
                ended_at=began + float(row["seconds"]),
                outcome=row["outcome"],
                result=row["result"] or None,
                note=row["note"],
            )
            contacts.append(contact)
    return contacts
