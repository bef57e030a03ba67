"""Which instances name another person than their study, and which rejection notes have no effect, their sender having no right."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def words(length: int) -> sa.types.TypeEngine[str]:
    """Text that sorts by code point on both databases."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables; of each doubt that is known, its first instance is."""
    op.create_table(
        "archive_doubted",
        sa.Column("sop_instance_uid", words(64), nullable=False),
        sa.Column("study_uid", words(64), nullable=False),
        sa.Column("conflict_id", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("sop_instance_uid", name=op.f("pk_archive_doubted")),
    )
    op.create_index(op.f("ix_archive_doubted_study_uid"), "archive_doubted", ["study_uid"], unique=False)
    op.create_table(
        "archive_note_refused",
        sa.Column("sop_instance_uid", words(64), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("site_id", words(64), nullable=False),
        sa.PrimaryKeyConstraint("sop_instance_uid", "digest", name=op.f("pk_archive_note_refused")),
    )
    first = (
        "INSERT INTO archive_doubted (sop_instance_uid, study_uid, conflict_id) "
        "SELECT sop_instance_uid, min(study_uid), min(id) FROM archive_conflict "
        "WHERE kind IN ('patient_mismatch', 'patient_attributes') AND action <> 'use_received' GROUP BY sop_instance_uid"
    )
    op.get_bind().execute(sa.text(first))


def downgrade() -> None:
    """Remove them."""
    op.drop_table("archive_note_refused")
    op.drop_index(op.f("ix_archive_doubted_study_uid"), table_name="archive_doubted")
    op.drop_table("archive_doubted")
