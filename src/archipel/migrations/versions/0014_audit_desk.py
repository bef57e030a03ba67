"""How the last verification of the audit chain ended; records by who acted."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table and the index."""
    op.create_table(
        "audit_verified",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("begun_at", sa.String(27), nullable=False),
        sa.Column("ended_at", sa.String(27), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.String(27), nullable=False),
        sa.Column("finding_count", sa.Integer(), nullable=False),
        sa.Column("findings", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_verified")),
    )
    op.create_index(op.f("ix_audit_record_actor_id_at"), "audit_record", ["actor_id", "at"], unique=False)


def downgrade() -> None:
    """Remove them."""
    op.drop_index(op.f("ix_audit_record_actor_id_at"), table_name="audit_record")
    op.drop_table("audit_verified")
