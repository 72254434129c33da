"""Decisions can be explained: the rule files they were made by, more of what rules ask of a
customer, and how often a number has called."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "policy",
        sa.Column("fingerprint", sa.String(length=32), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_policy")),
    )
    op.add_column("customer", sa.Column("segment", sa.Text(), nullable=True))
    op.add_column("customer", sa.Column("tags", sa.Text(), nullable=True))
    op.add_column(
        "customer",
        sa.Column("do_not_disturb", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.add_column("customer", sa.Column("attributes", sa.Text(), nullable=True))
    op.create_index(
        op.f("ix_call_number_started_at"), "call", ["number", "started_at"], unique=False
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_call_number_started_at"), table_name="call")
    for column in ("attributes", "do_not_disturb", "tags", "segment"):
        op.drop_column("customer", column)
    op.drop_table("policy")
