"""Indexes that hold all that chooses and orders a page of a search."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

LISTS = {
    "ix_archive_study_list": ["study_date", "study_time", "study_uid", "hidden", "site_id"],
    "ix_archive_study_list_of_site": ["site_id", "study_date", "study_time", "study_uid", "hidden"],
    "ix_archive_study_list_by_name": ["name_folded", "study_date", "study_time", "study_uid", "hidden", "site_id"],
    "ix_archive_study_list_by_modalities": ["modalities", "study_date", "study_time", "study_uid", "hidden", "site_id"],
}


def upgrade() -> None:
    """Make them."""
    for name, columns in LISTS.items():
        op.create_index(name, "archive_study", columns, unique=False)
    other = sa.text("other_name_folded != ''")
    op.create_index(
        "ix_archive_study_other_name", "archive_study", ["other_name_folded"], unique=False, sqlite_where=other, postgresql_where=other
    )


def downgrade() -> None:
    """Remove them."""
    for name in ("ix_archive_study_other_name", *LISTS):
        op.drop_index(name, table_name="archive_study")
