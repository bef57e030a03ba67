"""The register of persons: records, persons, decisions, proposals."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def words(length: int) -> sa.types.TypeEngine[str]:
    """Text that sorts by code point on both databases."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "identity_person",
        sa.Column("id", words(32), nullable=False),
        sa.Column("demo", sa.Boolean(), nullable=False),
        sa.Column("created_at", words(27), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_person")),
    )
    op.create_table(
        "identity_record",
        sa.Column("key", words(32), nullable=False),
        sa.Column("value", words(300), nullable=False),
        sa.Column("issuer", words(300), nullable=False),
        sa.Column("site_id", words(64), nullable=False),
        sa.Column("demo", sa.Boolean(), nullable=False),
        sa.Column("person_id", words(32), nullable=False),
        sa.Column("own_person_id", words(32), nullable=False),
        sa.Column("joined_to", words(32), nullable=False),
        sa.Column("fills", sa.Boolean(), nullable=False),
        sa.Column("status", words(12), nullable=False),
        sa.Column("flags", words(200), nullable=False),
        sa.Column("ins_value", words(15), nullable=False),
        sa.Column("ins_number", words(13), nullable=False),
        sa.Column("ins_oid", words(40), nullable=False),
        sa.Column("birth_family", words(300), nullable=False),
        sa.Column("birth_first", words(300), nullable=False),
        sa.Column("birth_given_names", sa.Text(), nullable=False),
        sa.Column("used_family", words(300), nullable=False),
        sa.Column("used_given", words(300), nullable=False),
        sa.Column("birth_date", words(8), nullable=False),
        sa.Column("sex", words(1), nullable=False),
        sa.Column("birth_place_insee", words(10), nullable=False),
        sa.Column("family_folded", words(300), nullable=False),
        sa.Column("used_folded", words(300), nullable=False),
        sa.Column("first_folded", words(300), nullable=False),
        sa.Column("block_date", words(8), nullable=False),
        sa.Column("block_names", words(20), nullable=False),
        sa.Column("block_used", words(20), nullable=False),
        sa.Column("block_first_year", words(20), nullable=False),
        sa.Column("block_day_family", words(20), nullable=False),
        sa.Column("block_day_first", words(20), nullable=False),
        sa.Column("source", words(40), nullable=False),
        sa.Column("said_at", words(27), nullable=False),
        sa.Column("created_at", words(27), nullable=False),
        sa.Column("updated_at", words(27), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_identity_record")),
        sa.UniqueConstraint("value", "issuer", name=op.f("uq_identity_record_value_issuer")),
    )
    op.create_index(op.f("ix_identity_record_block_date"), "identity_record", ["block_date"], unique=False)
    op.create_index(op.f("ix_identity_record_block_day_family"), "identity_record", ["block_day_family"], unique=False)
    op.create_index(op.f("ix_identity_record_block_day_first"), "identity_record", ["block_day_first"], unique=False)
    op.create_index(op.f("ix_identity_record_block_first_year"), "identity_record", ["block_first_year"], unique=False)
    op.create_index(op.f("ix_identity_record_block_names"), "identity_record", ["block_names"], unique=False)
    op.create_index(op.f("ix_identity_record_block_used"), "identity_record", ["block_used"], unique=False)
    op.create_index(
        op.f("ix_identity_record_family_folded_first_folded"), "identity_record", ["family_folded", "first_folded"], unique=False
    )
    op.create_index(
        op.f("ix_identity_record_first_folded_family_folded"), "identity_record", ["first_folded", "family_folded"], unique=False
    )
    op.create_index(op.f("ix_identity_record_ins_number"), "identity_record", ["ins_number"], unique=False)
    op.create_index(op.f("ix_identity_record_person_id"), "identity_record", ["person_id"], unique=False)
    op.create_index(op.f("ix_identity_record_used_folded_first_folded"), "identity_record", ["used_folded", "first_folded"], unique=False)
    op.create_table(
        "identity_decision",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("id", words(32), nullable=False),
        sa.Column("kind", words(10), nullable=False),
        sa.Column("is_automatic", sa.Boolean(), nullable=False),
        sa.Column("record_key", words(32), nullable=False),
        sa.Column("target_key", words(32), nullable=False),
        sa.Column("site_id", words(64), nullable=False),
        sa.Column("source", words(40), nullable=False),
        sa.Column("actor_id", words(64), nullable=False),
        sa.Column("at", words(27), nullable=False),
        sa.Column("made_at", words(27), nullable=False),
        sa.Column("moved", sa.Text(), nullable=False),
        sa.Column("undoes", words(32), nullable=False),
        sa.Column("is_undone", sa.Boolean(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_identity_decision")),
        sa.UniqueConstraint("id", name=op.f("uq_identity_decision_id")),
    )
    op.create_index(op.f("ix_identity_decision_made_at"), "identity_decision", ["made_at"], unique=False)
    op.create_index(op.f("ix_identity_decision_record_key"), "identity_decision", ["record_key"], unique=False)
    op.create_index(op.f("ix_identity_decision_target_key"), "identity_decision", ["target_key"], unique=False)
    op.create_table(
        "identity_proposal",
        sa.Column("id", words(32), nullable=False),
        sa.Column("low_key", words(32), nullable=False),
        sa.Column("high_key", words(32), nullable=False),
        sa.Column("low_site_id", words(64), nullable=False),
        sa.Column("high_site_id", words(64), nullable=False),
        sa.Column("demo", sa.Boolean(), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.Column("state", words(10), nullable=False),
        sa.Column("created_at", words(27), nullable=False),
        sa.Column("decided_at", words(27), nullable=False),
        sa.Column("decided_by", words(64), nullable=False),
        sa.Column("decision_id", words(32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_proposal")),
        sa.UniqueConstraint("low_key", "high_key", name=op.f("uq_identity_proposal_low_key_high_key")),
    )
    op.create_index(op.f("ix_identity_proposal_high_key"), "identity_proposal", ["high_key"], unique=False)
    op.create_index(op.f("ix_identity_proposal_state_score_id"), "identity_proposal", ["state", "score", "id"], unique=False)


def downgrade() -> None:
    """Remove them."""
    op.drop_index(op.f("ix_identity_proposal_state_score_id"), table_name="identity_proposal")
    op.drop_index(op.f("ix_identity_proposal_high_key"), table_name="identity_proposal")
    op.drop_table("identity_proposal")
    op.drop_index(op.f("ix_identity_decision_target_key"), table_name="identity_decision")
    op.drop_index(op.f("ix_identity_decision_record_key"), table_name="identity_decision")
    op.drop_index(op.f("ix_identity_decision_made_at"), table_name="identity_decision")
    op.drop_table("identity_decision")
    op.drop_index(op.f("ix_identity_record_used_folded_first_folded"), table_name="identity_record")
    op.drop_index(op.f("ix_identity_record_person_id"), table_name="identity_record")
    op.drop_index(op.f("ix_identity_record_ins_number"), table_name="identity_record")
    op.drop_index(op.f("ix_identity_record_first_folded_family_folded"), table_name="identity_record")
    op.drop_index(op.f("ix_identity_record_family_folded_first_folded"), table_name="identity_record")
    op.drop_index(op.f("ix_identity_record_block_used"), table_name="identity_record")
    op.drop_index(op.f("ix_identity_record_block_names"), table_name="identity_record")
    op.drop_index(op.f("ix_identity_record_block_first_year"), table_name="identity_record")
    op.drop_index(op.f("ix_identity_record_block_day_first"), table_name="identity_record")
    op.drop_index(op.f("ix_identity_record_block_day_family"), table_name="identity_record")
    op.drop_index(op.f("ix_identity_record_block_date"), table_name="identity_record")
    op.drop_table("identity_record")
    op.drop_table("identity_person")
