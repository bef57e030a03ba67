"""Copies of sealed objects in the store behind a machine's folder."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def words(length: int) -> sa.types.TypeEngine[str]:
    """Text that sorts by code point on both databases."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "archive_copy",
        sa.Column("blob_key", words(120), nullable=False),
        sa.Column("asked_at", words(27), nullable=False),
        sa.Column("copied_at", words(27), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("is_local", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("blob_key", name=op.f("pk_archive_copy")),
    )
    op.create_index(op.f("ix_archive_copy_copied_at_asked_at"), "archive_copy", ["copied_at", "asked_at"], unique=False)


def downgrade() -> None:
    """Remove it."""
    op.drop_index(op.f("ix_archive_copy_copied_at_asked_at"), table_name="archive_copy")
    op.drop_table("archive_copy")
