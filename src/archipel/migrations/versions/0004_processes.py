"""The processes that run on this database, and what each did in the last minutes."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "kit_process",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("machine", sa.String(length=64), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("doors", sa.String(length=80), nullable=False),
        sa.Column("objects", sa.String(length=300), nullable=False),
        sa.Column("draining", sa.Integer(), nullable=False),
        sa.Column("figures", sa.Text(), nullable=False),
        sa.Column("started_at", sa.String(length=27), nullable=False),
        sa.Column("seen_at", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kit_process")),
    )
    op.create_table(
        "kit_minute",
        sa.Column("process_id", sa.String(length=32), nullable=False),
        sa.Column("at", sa.String(length=27), nullable=False),
        sa.Column("figures", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("process_id", "at", name=op.f("pk_kit_minute")),
    )
    op.create_index(op.f("ix_kit_minute_at"), "kit_minute", ["at"], unique=False)


def downgrade() -> None:
    """Remove them."""
    op.drop_index(op.f("ix_kit_minute_at"), table_name="kit_minute")
    op.drop_table("kit_minute")
    op.drop_table("kit_process")
