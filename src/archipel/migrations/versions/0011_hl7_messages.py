"""HL7 peers, and the messages that came from them."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def words(length: int) -> sa.types.TypeEngine[str]:
    """Text that sorts by code point on both databases."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "directory_hl7_peer",
        sa.Column("name", words(64), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.String(64), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("tls", sa.Boolean(), nullable=False),
        sa.Column("certificate", sa.String(400), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["directory_site.id"], name=op.f("fk_directory_hl7_peer_site_id_directory_site")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_directory_hl7_peer")),
    )
    op.create_index(op.f("ix_directory_hl7_peer_site_id"), "directory_hl7_peer", ["site_id"], unique=False)
    op.create_table(
        "mllp_message",
        sa.Column("id", words(32), nullable=False),
        sa.Column("peer", words(64), nullable=False),
        sa.Column("site_id", sa.String(64), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("control_id", words(200), nullable=False),
        sa.Column("event", sa.String(20), nullable=False),
        sa.Column("received_at", words(27), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("key_name", sa.String(20), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("ended_at", sa.String(27), nullable=False),
        sa.Column("code", sa.String(2), nullable=False),
        sa.Column("condition", sa.String(40), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("original_id", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mllp_message")),
    )
    op.create_index(op.f("ix_mllp_message_peer_control_id_digest"), "mllp_message", ["peer", "control_id", "digest"], unique=False)
    op.create_index(op.f("ix_mllp_message_state_received_at"), "mllp_message", ["state", "received_at"], unique=False)


def downgrade() -> None:
    """Remove them."""
    op.drop_table("mllp_message")
    op.drop_table("directory_hl7_peer")
