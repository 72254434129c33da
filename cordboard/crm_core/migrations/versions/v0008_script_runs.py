"""Runs of scripts, their answers, and who does not want to be asked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "script_run",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("script", sa.Text(), nullable=False),
        sa.Column("version", sa.String(32), nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("call_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("customer_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("respondent_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("operator", sa.Text(), nullable=True),
        sa.Column("queue", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("language", sa.String(16), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.Column("outcome", sa.String(16), nullable=True),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_script_run")),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customer.id"],
            name=op.f("fk_script_run_customer_id_customer"),
            ondelete="SET NULL",
        ),
    )
    for columns in (
        ["call_id"],
        ["respondent_id"],
        ["script", "started_at"],
        ["customer_id", "started_at"],
        ["number", "started_at"],
    ):
        op.create_index(op.f(f"ix_script_run_{'_'.join(columns)}"), "script_run", columns)
    op.create_index(
        "ix_script_run_open",
        "script_run",
        ["started_at"],
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "answer",
        sa.Column("run_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("file", sa.Text(), nullable=True),
        sa.Column("scale", sa.String(16), nullable=True),
        sa.PrimaryKeyConstraint("run_id", "question", name=op.f("pk_answer")),
    )
    op.create_table(
        "survey_refusal",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("customer_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("script", sa.Text(), nullable=True),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_survey_refusal")),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customer.id"],
            name=op.f("fk_survey_refusal_customer_id_customer"),
            ondelete="CASCADE",
        ),
    )
    for column in ("customer_id", "number"):
        op.create_index(op.f(f"ix_survey_refusal_{column}"), "survey_refusal", [column])


def downgrade() -> None:
    op.drop_table("survey_refusal")
    op.drop_table("answer")
    op.drop_table("script_run")
