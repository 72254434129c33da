"""Customers are found by their attributes, and prove who they are by a PIN."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_FILL = {
    "sqlite": "SELECT c.id, j.key, CAST(j.value AS TEXT) FROM customer c, json_each(c.attributes) j"
    " WHERE c.attributes IS NOT NULL AND j.type IN ('text', 'integer')",
    "postgresql": "SELECT c.id, j.key, j.value #>> '{}' FROM customer c,"
    " json_each(c.attributes::json) j"
    " WHERE c.attributes IS NOT NULL AND json_typeof(j.value) IN ('string', 'number')",
}


def upgrade() -> None:
    op.add_column("customer", sa.Column("pin_hash", sa.Text(), nullable=True))
    op.create_table(
        "customer_attribute",
        sa.Column("customer_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customer.id"],
            name=op.f("fk_customer_attribute_customer_id_customer"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("customer_id", "name", name=op.f("pk_customer_attribute")),
    )
    fill = _FILL[op.get_bind().dialect.name]
    op.execute(f"INSERT INTO customer_attribute (customer_id, name, value) {fill}")
    op.create_index(
        op.f("ix_customer_attribute_name_value"), "customer_attribute", ["name", "value"]
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_customer_attribute_name_value"), table_name="customer_attribute")
    op.drop_table("customer_attribute")
    op.drop_column("customer", "pin_hash")
