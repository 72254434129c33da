"""Users serve queues; operators' states are kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("app_user", sa.Column("queues", sa.Text(), server_default="[]", nullable=False))
    op.create_table(
        "operator_state",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("until", sa.Double(), nullable=True),
        sa.Column("due", sa.Double(), nullable=True),
        sa.Column("pbx", sa.Text(), nullable=False),
        sa.Column("boot", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operator_state")),
    )
    op.create_index(
        op.f("ix_operator_state_operator_since"), "operator_state", ["operator", "since"]
    )
    op.create_index(op.f("ix_operator_state_since"), "operator_state", ["since"])
    op.create_index(
        "ix_operator_state_open",
        "operator_state",
        ["operator"],
        sqlite_where=sa.text("until IS NULL"),
        postgresql_where=sa.text("until IS NULL"),
    )


def downgrade() -> None:
    op.drop_index(
        "ix_operator_state_open",
        table_name="operator_state",
        sqlite_where=sa.text("until IS NULL"),
        postgresql_where=sa.text("until IS NULL"),
    )
    op.drop_index(op.f("ix_operator_state_since"), table_name="operator_state")
    op.drop_index(op.f("ix_operator_state_operator_since"), table_name="operator_state")
    op.drop_table("operator_state")
    op.drop_column("app_user", "queues")
