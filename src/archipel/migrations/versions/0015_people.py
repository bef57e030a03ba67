"""Structures, units, professionals and their memberships; controls of devices."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables; a site refers to its geographic entity."""
    op.add_column("directory_site", sa.Column("finess", sa.String(9), server_default=sa.text("''"), nullable=False))
    op.create_table(
        "directory_structure",
        sa.Column("finess", sa.String(9), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("legal_finess", sa.String(9), nullable=False),
        sa.PrimaryKeyConstraint("finess", name=op.f("pk_directory_structure")),
    )
    op.create_index(op.f("ix_directory_structure_legal_finess"), "directory_structure", ["legal_finess"], unique=False)
    op.create_table(
        "directory_unit",
        sa.Column("site_id", sa.String(64), nullable=False),
        sa.Column("code", sa.String(20), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["directory_site.id"], name=op.f("fk_directory_unit_site_id_directory_site")),
        sa.PrimaryKeyConstraint("site_id", "code", name=op.f("pk_directory_unit")),
    )
    op.create_table(
        "directory_professional",
        sa.Column("rpps", sa.String(11), nullable=False),
        sa.Column("family", sa.String(100), nullable=False),
        sa.Column("given", sa.String(100), nullable=False),
        sa.Column("profession", sa.String(10), nullable=False),
        sa.Column("specialty", sa.String(10), nullable=False),
        sa.Column("folded", sa.String(210), nullable=False),
        sa.PrimaryKeyConstraint("rpps", name=op.f("pk_directory_professional")),
    )
    op.create_index(op.f("ix_directory_professional_folded"), "directory_professional", ["folded"], unique=False)
    op.create_table(
        "directory_membership",
        sa.Column("rpps", sa.String(11), nullable=False),
        sa.Column("finess", sa.String(9), nullable=False),
        sa.Column("role", sa.String(40), nullable=False),
        sa.Column("from_on", sa.String(10), nullable=False),
        sa.Column("to_on", sa.String(10), nullable=False),
        sa.ForeignKeyConstraint(
            ["rpps"], ["directory_professional.rpps"], name=op.f("fk_directory_membership_rpps_directory_professional")
        ),
        sa.ForeignKeyConstraint(
            ["finess"], ["directory_structure.finess"], name=op.f("fk_directory_membership_finess_directory_structure")
        ),
        sa.PrimaryKeyConstraint("rpps", "finess", "role", "from_on", name=op.f("pk_directory_membership")),
    )
    op.create_index(op.f("ix_directory_membership_finess"), "directory_membership", ["finess"], unique=False)
    op.create_table(
        "directory_control",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("ae_title", sa.String(16), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("on", sa.String(10), nullable=False),
        sa.Column("by", sa.String(120), nullable=False),
        sa.Column("result", sa.String(10), nullable=False),
        sa.Column("next_due_on", sa.String(10), nullable=False),
        sa.Column("services", sa.String(200), nullable=False),
        sa.Column("note", sa.String(500), nullable=False),
        sa.Column("recorded_at", sa.String(27), nullable=False),
        sa.Column("recorded_by", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_directory_control")),
    )
    op.create_index(op.f("ix_directory_control_ae_title_on"), "directory_control", ["ae_title", "on"], unique=False)


def downgrade() -> None:
    """Remove them."""
    for table, index in (("control", "ae_title_on"), ("membership", "finess"), ("professional", "folded"), ("structure", "legal_finess")):
        op.drop_index(op.f(f"ix_directory_{table}_{index}"), table_name=f"directory_{table}")
    for table in ("control", "membership", "professional", "unit", "structure"):
        op.drop_table(f"directory_{table}")
    with op.batch_alter_table("directory_site") as batch:
        batch.drop_column("finess")
