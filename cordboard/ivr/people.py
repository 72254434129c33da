"""A customer as scripts know one. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from cordboard.crm_core.model import Card


def names_of(card: Card) -> dict[str, Any]:
    """What stands behind `customer.…` in conditions and texts. Money is in whole units."""
    customer = card.customer
    manager, balance = customer.manager, customer.balance_minor
    return {
        "id": card.customer_id,
        "kind": customer.kind,
        "name": customer.name,
        "phones": list(customer.phones),
        "status": customer.status,
        "language": customer.language,
        "balance": None if balance is None else Decimal(balance).scaleb(-2),
        "segment": customer.segment,
        "tags": list(customer.tags),
        "manager": None
        if manager is None
        else {"name": manager.display_name, "mobile": manager.mobile},
        "attributes": dict(customer.attributes),
    }
