"""Second factors, identities of other providers, steps of a sign-in, and what sites ask for."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables; sessions say how they were opened."""
    op.add_column("directory_site", sa.Column("second_factor_roles", sa.String(1000), server_default=sa.text("''"), nullable=False))
    op.add_column("directory_account", sa.Column("rpps", sa.String(11), server_default=sa.text("''"), nullable=False))
    op.create_index(op.f("ix_directory_account_rpps"), "directory_account", ["rpps"], unique=False)
    for name, length in (("provider", 64), ("subject", 255), ("sid", 255)):
        op.add_column("signin_session", sa.Column(name, sa.String(length), server_default=sa.text("''"), nullable=False))
    op.add_column("signin_session", sa.Column("enrol_due", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_table(
        "signin_factor",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("account_id", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("credential", sa.String(64), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("used_at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signin_factor")),
    )
    op.create_index(op.f("ix_signin_factor_account_id"), "signin_factor", ["account_id"], unique=False)
    op.create_index(op.f("ix_signin_factor_credential"), "signin_factor", ["credential"], unique=False)
    op.create_table(
        "signin_recovery",
        sa.Column("account_id", sa.String(32), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "digest", name=op.f("pk_signin_recovery")),
    )
    op.create_table(
        "signin_step",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("account_id", sa.String(32), nullable=False),
        sa.Column("provider", sa.String(64), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_signin_step")),
    )
    op.create_table(
        "signin_identity",
        sa.Column("provider", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("account_id", sa.String(32), nullable=False),
        sa.Column("linked_at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("provider", "subject", name=op.f("pk_signin_identity")),
    )
    op.create_index(op.f("ix_signin_identity_account_id"), "signin_identity", ["account_id"], unique=False)


def downgrade() -> None:
    """Remove them."""
    for table, index in (("identity", "account_id"), ("factor", "credential"), ("factor", "account_id")):
        op.drop_index(op.f(f"ix_signin_{table}_{index}"), table_name=f"signin_{table}")
    for table in ("identity", "step", "recovery", "factor"):
        op.drop_table(f"signin_{table}")
    with op.batch_alter_table("signin_session") as batch:
        for name in ("enrol_due", "sid", "subject", "provider"):
            batch.drop_column(name)
    op.drop_index(op.f("ix_directory_account_rpps"), table_name="directory_account")
    with op.batch_alter_table("directory_account") as batch:
        batch.drop_column("rpps")
    with op.batch_alter_table("directory_site") as batch:
        batch.drop_column("second_factor_roles")
