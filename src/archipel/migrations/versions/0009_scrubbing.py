"""How far the scheduled verification is, and what it found damaged."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def words(length: int) -> sa.types.TypeEngine[str]:
    """Text that sorts by code point on both databases."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "archive_verified",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("part", sa.String(10), nullable=False),
        sa.Column("cursor", words(100), nullable=False),
        sa.Column("started_at", words(27), nullable=False),
        sa.Column("ended_at", words(27), nullable=False),
        sa.Column("checked", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("damaged", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.String(32), nullable=False),
        sa.Column("held_until", words(27), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_archive_verified")),
    )
    op.create_table(
        "archive_damage",
        sa.Column("sop_instance_uid", words(64), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("study_uid", words(64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("found_at", words(27), nullable=False),
        sa.PrimaryKeyConstraint("sop_instance_uid", "digest", name=op.f("pk_archive_damage")),
    )
    op.create_index(op.f("ix_archive_damage_study_uid"), "archive_damage", ["study_uid"], unique=False)


def downgrade() -> None:
    """Remove them."""
    op.drop_index(op.f("ix_archive_damage_study_uid"), table_name="archive_damage")
    op.drop_table("archive_damage")
    op.drop_table("archive_verified")
