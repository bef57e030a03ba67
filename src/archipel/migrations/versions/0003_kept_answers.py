"""Answers that are kept for requests that are sent again."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "web_answer",
        sa.Column("login", sa.String(length=64), nullable=False),
        sa.Column("key_digest", sa.String(length=64), nullable=False),
        sa.Column("request_digest", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("at", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("login", "key_digest", name=op.f("pk_web_answer")),
    )
    op.create_index(op.f("ix_web_answer_at"), "web_answer", ["at"], unique=False)


def downgrade() -> None:
    """Remove it."""
    op.drop_index(op.f("ix_web_answer_at"), table_name="web_answer")
    op.drop_table("web_answer")
