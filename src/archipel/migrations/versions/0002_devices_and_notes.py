"""What a device takes, and which rejection notes went to whom."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

FLAGS = ("receives_rejections", "receives_from_other_sites")


def upgrade() -> None:
    """Two flags of devices, off for those that are there, and the notes that are sent on."""
    for flag in FLAGS:  # with a default: the version before this one adds devices too
        op.add_column("directory_device", sa.Column(flag, sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_table(
        "distribution_note",
        sa.Column("note_uid", sa.String(length=64), nullable=False),
        sa.Column("ae_title", sa.String(length=16), nullable=False),
        sa.Column("study_uid", sa.String(length=64), nullable=False),
        sa.Column("rejection_id", sa.String(length=32), nullable=False),
        sa.Column("job_id", sa.String(length=32), nullable=False),
        sa.Column("sent_at", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("note_uid", "ae_title", name=op.f("pk_distribution_note")),
    )
    op.create_index(op.f("ix_distribution_note_study_uid"), "distribution_note", ["study_uid"], unique=False)


def downgrade() -> None:
    """Remove them."""
    op.drop_index(op.f("ix_distribution_note_study_uid"), table_name="distribution_note")
    op.drop_table("distribution_note")
    for flag in FLAGS:
        op.drop_column("directory_device", flag)
