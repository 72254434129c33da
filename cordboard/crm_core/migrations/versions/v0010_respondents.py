"""Lists of people who are to be called, and the calls to them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "respondent_list",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("script", sa.Text(), nullable=False),
        sa.Column("language", sa.String(16), nullable=True),
        sa.Column("hours", sa.Text(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("again_minutes", sa.Double(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("closed_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_respondent_list")),
        sa.UniqueConstraint("name", name=op.f("uq_respondent_list_name")),
    )
    op.create_table(
        "respondent",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("list_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("language", sa.String(16), nullable=True),
        sa.Column("attributes", sa.Text(), nullable=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("dials", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=True),
        sa.Column("due_for", sa.Text(), nullable=True),
        sa.Column("taken_by", sa.Text(), nullable=True),
        sa.Column("taken_at", sa.Double(), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("run_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_respondent")),
        sa.UniqueConstraint("list_id", "number", name=op.f("uq_respondent_list_id_number")),
        sa.ForeignKeyConstraint(
            ["list_id"],
            ["respondent_list.id"],
            name=op.f("fk_respondent_list_id_respondent_list"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customer.id"],
            name=op.f("fk_respondent_customer_id_customer"),
            ondelete="SET NULL",
        ),
    )
    for columns in (["customer_id"], ["list_id", "position"], ["list_id", "state"]):
        op.create_index(op.f(f"ix_respondent_{'_'.join(columns)}"), "respondent", columns)
    held = sa.text("state IN ('taken', 'dialled', 'talking', 'talked')")
    op.create_index(
        "uq_respondent_held",
        "respondent",
        ["taken_by"],
        unique=True,
        sqlite_where=held,
        postgresql_where=held,
    )
    op.create_table(
        "respondent_attempt",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("respondent_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("dial", sa.Integer(), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("pbx", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("call_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("answered_at", sa.Double(), nullable=True),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_respondent_attempt")),
    )
    op.create_index(
        op.f("ix_respondent_attempt_respondent_id"), "respondent_attempt", ["respondent_id"]
    )


def downgrade() -> None:
    op.drop_table("respondent_attempt")
    op.drop_table("respondent")
    op.drop_table("respondent_list")
