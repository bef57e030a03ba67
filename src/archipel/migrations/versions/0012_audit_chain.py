"""The chain of the audit records; what is recorded already waits for its place in it."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def _signed() -> tuple[sa.Column[str], ...]:
    return (
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("key_id", sa.String(32), nullable=False),
        sa.Column("signature", sa.String(128), nullable=False),
    )


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "audit_pending",
        sa.Column("record_id", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("record_id", name=op.f("pk_audit_pending")),
    )
    op.create_table(
        "audit_link",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("record_id", sa.String(32), nullable=False),
        sa.Column("record_digest", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("removal_id", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit_link")),
    )
    op.create_index(op.f("ix_audit_link_record_id"), "audit_link", ["record_id"], unique=True)
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        *_signed(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_head")),
    )
    op.create_table(
        "audit_day",
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        *_signed(),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_audit_day")),
    )
    op.create_table(
        "audit_removal",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("until_day", sa.String(10), nullable=False),
        sa.Column("record_count", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        *_signed(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_removal")),
    )
    op.create_table(
        "audit_sent",
        sa.Column("destination", sa.String(255), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("holder", sa.String(32), nullable=False),
        sa.Column("held_until", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("destination", name=op.f("pk_audit_sent")),
    )
    op.get_bind().execute(sa.text("INSERT INTO audit_pending (record_id) SELECT id FROM audit_record"))


def downgrade() -> None:
    """Remove them."""
    for table in ("audit_sent", "audit_removal", "audit_day", "audit_head"):
        op.drop_table(table)
    op.drop_index(op.f("ix_audit_link_record_id"), table_name="audit_link")
    op.drop_table("audit_link")
    op.drop_table("audit_pending")
