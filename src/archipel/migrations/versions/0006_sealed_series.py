"""Sealed series: one row for the instances of a series, and the way to it from a SOP Instance UID."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def words(length: int) -> sa.types.TypeEngine[str]:
    """Text that sorts by code point on both databases."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


PACKED = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables, and the column that says how an instance is packed."""
    op.add_column("archive_instance", sa.Column("packed", PACKED, server_default=sa.text("''"), nullable=False))
    op.create_table(
        "archive_sealed",
        sa.Column("id", SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("study_uid", words(64), nullable=False),
        sa.Column("series_uid", words(64), nullable=False),
        sa.Column("blob_key", words(120), nullable=False),
        sa.Column("instance_count", sa.Integer(), nullable=False),
        sa.Column("sealed_at", words(27), nullable=False),
        sa.Column("format", sa.Integer(), nullable=False),
        sa.Column("manifest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_archive_sealed")),
        sa.UniqueConstraint("study_uid", "series_uid", name=op.f("uq_archive_sealed_study_uid_series_uid")),
        sa.UniqueConstraint("blob_key", name=op.f("uq_archive_sealed_blob_key")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_archive_sealed_series_uid"), "archive_sealed", ["series_uid"], unique=False)
    op.create_table(
        "archive_sealed_uid",
        sa.Column("uid_hash", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sealed_id", SEQUENCE, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["sealed_id"], ["archive_sealed.id"], name=op.f("fk_archive_sealed_uid_sealed_id_archive_sealed")),
        sa.PrimaryKeyConstraint("uid_hash", "sealed_id", name=op.f("pk_archive_sealed_uid")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "archive_let_go",
        sa.Column("blob_key", words(120), nullable=False),
        sa.Column("at", words(27), nullable=False),
        sa.PrimaryKeyConstraint("blob_key", name=op.f("pk_archive_let_go")),
    )
    op.create_index(op.f("ix_archive_let_go_at"), "archive_let_go", ["at"], unique=False)


def downgrade() -> None:
    """Remove them."""
    op.drop_index(op.f("ix_archive_let_go_at"), table_name="archive_let_go")
    op.drop_table("archive_let_go")
    op.drop_table("archive_sealed_uid")
    op.drop_index(op.f("ix_archive_sealed_series_uid"), table_name="archive_sealed")
    op.drop_table("archive_sealed")
    op.drop_column("archive_instance", "packed")
