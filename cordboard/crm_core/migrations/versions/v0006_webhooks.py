"""What webhooks still owe."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "webhook",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("gone", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_webhook")),
    )
    op.create_table(
        "webhook_owed",
        sa.Column("webhook", sa.String(length=32), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["webhook"],
            ["webhook.name"],
            name=op.f("fk_webhook_owed_webhook_webhook"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("webhook", "position", name=op.f("pk_webhook_owed")),
    )


def downgrade() -> None:
    op.drop_table("webhook_owed")
    op.drop_table("webhook")
