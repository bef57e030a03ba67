"""The first tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of the archive, the directory, the audit trail, signing in and the kit."""
    op.create_table(
        "archive_conflict",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("study_uid", sa.String(length=64), nullable=False),
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("site_id", sa.String(length=64), nullable=False),
        sa.Column("source_ae", sa.String(length=16), nullable=False),
        sa.Column("archived", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.Column("received", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.Column("kept", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.Column("found_at", sa.String(length=27), nullable=False),
        sa.Column("action", sa.String(length=30), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("resolved_by", sa.String(length=64), nullable=False),
        sa.Column("resolved_at", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_archive_conflict")),
        sa.UniqueConstraint(
            "kind", "study_uid", "sop_instance_uid", "digest", name=op.f("uq_archive_conflict_kind_study_uid_sop_instance_uid_digest")
        ),
    )
    op.create_index(op.f("ix_archive_conflict_sop_instance_uid"), "archive_conflict", ["sop_instance_uid"], unique=False)
    op.create_index(op.f("ix_archive_conflict_state_found_at"), "archive_conflict", ["state", "found_at"], unique=False)
    op.create_index(op.f("ix_archive_conflict_study_uid"), "archive_conflict", ["study_uid"], unique=False)
    op.create_table(
        "archive_instance",
        sa.Column("sop_instance_uid", sa.String(length=64).with_variant(sa.String(length=64, collation="C"), "postgresql"), nullable=False),
        sa.Column("study_uid", sa.String(length=64).with_variant(sa.String(length=64, collation="C"), "postgresql"), nullable=False),
        sa.Column("series_uid", sa.String(length=64).with_variant(sa.String(length=64, collation="C"), "postgresql"), nullable=False),
        sa.Column("sop_class_uid", sa.String(length=64).with_variant(sa.String(length=64, collation="C"), "postgresql"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column(
            "transfer_syntax_uid", sa.String(length=64).with_variant(sa.String(length=64, collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("blob_key", sa.String(length=120).with_variant(sa.String(length=120, collation="C"), "postgresql"), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("length_bytes", sa.BigInteger(), nullable=False),
        sa.Column("dataset_offset", sa.Integer(), nullable=False),
        sa.Column("pixel_data_offset", sa.BigInteger(), nullable=True),
        sa.Column("frame_count", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64).with_variant(sa.String(length=64, collation="C"), "postgresql"), nullable=False),
        sa.Column("attributes", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.Column("site_id", sa.String(length=64).with_variant(sa.String(length=64, collation="C"), "postgresql"), nullable=False),
        sa.Column("source_ae", sa.String(length=16).with_variant(sa.String(length=16, collation="C"), "postgresql"), nullable=False),
        sa.Column("rejection_id", sa.String(length=32).with_variant(sa.String(length=32, collation="C"), "postgresql"), nullable=False),
        sa.Column("received_at", sa.String(length=27).with_variant(sa.String(length=27, collation="C"), "postgresql"), nullable=False),
        sa.PrimaryKeyConstraint("sop_instance_uid", name=op.f("pk_archive_instance")),
    )
    op.create_index(op.f("ix_archive_instance_blob_key"), "archive_instance", ["blob_key"], unique=False)
    op.create_index(
        op.f("ix_archive_instance_study_uid_series_uid_number_sop_instance_uid"),
        "archive_instance",
        ["study_uid", "series_uid", "number", "sop_instance_uid"],
        unique=False,
    )
    op.create_table(
        "archive_patient",
        sa.Column("id", sa.String(length=32).with_variant(sa.String(length=32, collation="C"), "postgresql"), nullable=False),
        sa.Column("patient_id", sa.String(length=300).with_variant(sa.String(length=300, collation="C"), "postgresql"), nullable=False),
        sa.Column("issuer", sa.String(length=300).with_variant(sa.String(length=300, collation="C"), "postgresql"), nullable=False),
        sa.Column("name", sa.String(length=300).with_variant(sa.String(length=300, collation="C"), "postgresql"), nullable=False),
        sa.Column("name_folded", sa.String(length=300).with_variant(sa.String(length=300, collation="C"), "postgresql"), nullable=False),
        sa.Column("birth_date", sa.String(length=8).with_variant(sa.String(length=8, collation="C"), "postgresql"), nullable=False),
        sa.Column("sex", sa.String(length=16).with_variant(sa.String(length=16, collation="C"), "postgresql"), nullable=False),
        sa.Column("attributes", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.Column("created_at", sa.String(length=27).with_variant(sa.String(length=27, collation="C"), "postgresql"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_archive_patient")),
        sa.UniqueConstraint("patient_id", "issuer", name=op.f("uq_archive_patient_patient_id_issuer")),
    )
    op.create_index(op.f("ix_archive_patient_name_folded"), "archive_patient", ["name_folded"], unique=False)
    op.create_table(
        "archive_quiet",
        sa.Column("study_uid", sa.String(length=64).with_variant(sa.String(length=64, collation="C"), "postgresql"), nullable=False),
        sa.Column("due_at", sa.String(length=27).with_variant(sa.String(length=27, collation="C"), "postgresql"), nullable=False),
        sa.PrimaryKeyConstraint("study_uid", name=op.f("pk_archive_quiet")),
    )
    op.create_index(op.f("ix_archive_quiet_due_at"), "archive_quiet", ["due_at"], unique=False)
    op.create_table(
        "archive_rejection",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("study_uid", sa.String(length=64), nullable=False),
        sa.Column("site_id", sa.String(length=64), nullable=False),
        sa.Column("code", sa.String(length=16), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("note_uid", sa.String(length=64), nullable=False),
        sa.Column("instance_count", sa.Integer(), nullable=False),
        sa.Column("by", sa.String(length=64), nullable=False),
        sa.Column("at", sa.String(length=27), nullable=False),
        sa.Column("revoked_by", sa.String(length=64), nullable=False),
        sa.Column("revoked_at", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_archive_rejection")),
        sa.UniqueConstraint("study_uid", "note_uid", name=op.f("uq_archive_rejection_study_uid_note_uid")),
    )
    op.create_index(op.f("ix_archive_rejection_study_uid"), "archive_rejection", ["study_uid"], unique=False)
    op.create_table(
        "audit_record",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("at", sa.String(length=27), nullable=False),
        sa.Column("actor_kind", sa.String(length=10), nullable=False),
        sa.Column("actor_id", sa.String(length=64), nullable=False),
        sa.Column("actor_name", sa.String(length=120), nullable=False),
        sa.Column("actor_role", sa.String(length=40), nullable=False),
        sa.Column("actor_site_id", sa.String(length=64), nullable=False),
        sa.Column("actor_address", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=60), nullable=False),
        sa.Column("outcome", sa.String(length=10), nullable=False),
        sa.Column("study_uid", sa.String(length=64), nullable=False),
        sa.Column("object_id", sa.String(length=128), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_record")),
    )
    op.create_index(op.f("ix_audit_record_at"), "audit_record", ["at"], unique=False)
    op.create_index(op.f("ix_audit_record_study_uid_at"), "audit_record", ["study_uid", "at"], unique=False)
    op.create_table(
        "directory_site",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("issuer", sa.String(length=64), nullable=False),
        sa.Column("services", sa.String(length=200), nullable=False),
        sa.Column("time_zone", sa.String(length=60), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("demo", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_directory_site")),
    )
    op.create_table(
        "kit_change",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("at", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_kit_change")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "kit_follower",
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_kit_follower")),
    )
    op.create_table(
        "kit_job",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("arguments", sa.Text(), nullable=False),
        sa.Column("dedup_key", sa.String(length=200), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("attempts_max", sa.Integer(), nullable=False),
        sa.Column("run_at", sa.String(length=27), nullable=False),
        sa.Column("deadline_at", sa.String(length=27), nullable=False),
        sa.Column("leased_until", sa.String(length=27), nullable=True),
        sa.Column("lease", sa.String(length=32), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("created_at", sa.String(length=27), nullable=False),
        sa.Column("ended_at", sa.String(length=27), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kit_job")),
        sa.UniqueConstraint("dedup_key", name=op.f("uq_kit_job_dedup_key")),
    )
    op.create_index(op.f("ix_kit_job_state_run_at"), "kit_job", ["state", "run_at"], unique=False)
    op.create_table(
        "kit_parked",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("follower", sa.String(length=80), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("parked_at", sa.String(length=27), nullable=False),
        sa.Column("retry_at", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kit_parked")),
    )
    op.create_index(op.f("ix_kit_parked_follower_retry_at"), "kit_parked", ["follower", "retry_at"], unique=False)
    op.create_table(
        "signin_attempt",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("login", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("at", sa.String(length=27), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signin_attempt")),
    )
    op.create_index(op.f("ix_signin_attempt_address_at"), "signin_attempt", ["address", "at"], unique=False)
    op.create_index(op.f("ix_signin_attempt_login_at"), "signin_attempt", ["login", "at"], unique=False)
    op.create_table(
        "signin_session",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=32), nullable=False),
        sa.Column("csrf", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.String(length=27), nullable=False),
        sa.Column("expires_at", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_signin_session")),
    )
    op.create_index(op.f("ix_signin_session_account_id"), "signin_session", ["account_id"], unique=False)
    op.create_table(
        "signin_token",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=32), nullable=False),
        sa.Column("scope", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.String(length=27), nullable=False),
        sa.Column("expires_at", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_signin_token")),
    )
    op.create_index(op.f("ix_signin_token_account_id"), "signin_token", ["account_id"], unique=False)
    op.create_table(
        "archive_study",
        sa.Column("study_uid", sa.String(length=64).with_variant(sa.String(length=64, collation="C"), "postgresql"), nullable=False),
        sa.Column("site_id", sa.String(length=64).with_variant(sa.String(length=64, collation="C"), "postgresql"), nullable=False),
        sa.Column("patient_key", sa.String(length=32).with_variant(sa.String(length=32, collation="C"), "postgresql"), nullable=False),
        sa.Column("patient_id", sa.String(length=300).with_variant(sa.String(length=300, collation="C"), "postgresql"), nullable=False),
        sa.Column("issuer", sa.String(length=300).with_variant(sa.String(length=300, collation="C"), "postgresql"), nullable=False),
        sa.Column("patient_name", sa.String(length=300).with_variant(sa.String(length=300, collation="C"), "postgresql"), nullable=False),
        sa.Column("name_folded", sa.String(length=300).with_variant(sa.String(length=300, collation="C"), "postgresql"), nullable=False),
        sa.Column(
            "other_name_folded", sa.String(length=600).with_variant(sa.String(length=600, collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("birth_date", sa.String(length=8).with_variant(sa.String(length=8, collation="C"), "postgresql"), nullable=False),
        sa.Column("sex", sa.String(length=16).with_variant(sa.String(length=16, collation="C"), "postgresql"), nullable=False),
        sa.Column("study_date", sa.String(length=8).with_variant(sa.String(length=8, collation="C"), "postgresql"), nullable=False),
        sa.Column("study_time", sa.String(length=13).with_variant(sa.String(length=13, collation="C"), "postgresql"), nullable=False),
        sa.Column(
            "accession_number", sa.String(length=300).with_variant(sa.String(length=300, collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("study_id", sa.String(length=300).with_variant(sa.String(length=300, collation="C"), "postgresql"), nullable=False),
        sa.Column("description", sa.String(length=300).with_variant(sa.String(length=300, collation="C"), "postgresql"), nullable=False),
        sa.Column(
            "description_folded", sa.String(length=300).with_variant(sa.String(length=300, collation="C"), "postgresql"), nullable=False
        ),
        sa.Column(
            "referring_folded", sa.String(length=300).with_variant(sa.String(length=300, collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("attributes", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.Column("modalities", sa.String(length=300).with_variant(sa.String(length=300, collation="C"), "postgresql"), nullable=False),
        sa.Column("series_count", sa.Integer(), nullable=False),
        sa.Column("instance_count", sa.Integer(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("flags", sa.String(length=200).with_variant(sa.String(length=200, collation="C"), "postgresql"), nullable=False),
        sa.Column("hidden", sa.Boolean(), nullable=False),
        sa.Column(
            "received_first_at", sa.String(length=27).with_variant(sa.String(length=27, collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("received_last_at", sa.String(length=27).with_variant(sa.String(length=27, collation="C"), "postgresql"), nullable=False),
        sa.Column("settled_at", sa.String(length=27).with_variant(sa.String(length=27, collation="C"), "postgresql"), nullable=False),
        sa.ForeignKeyConstraint(["patient_key"], ["archive_patient.id"], name=op.f("fk_archive_study_patient_key_archive_patient")),
        sa.PrimaryKeyConstraint("study_uid", name=op.f("pk_archive_study")),
    )
    op.create_index(op.f("ix_archive_study_accession_number"), "archive_study", ["accession_number"], unique=False)
    op.create_index(op.f("ix_archive_study_birth_date"), "archive_study", ["birth_date"], unique=False)
    op.create_index(op.f("ix_archive_study_name_folded"), "archive_study", ["name_folded"], unique=False)
    op.create_index(op.f("ix_archive_study_patient_id"), "archive_study", ["patient_id"], unique=False)
    op.create_index(op.f("ix_archive_study_patient_key"), "archive_study", ["patient_key"], unique=False)
    op.create_index(op.f("ix_archive_study_received_last_at"), "archive_study", ["received_last_at"], unique=False)
    op.create_index(
        op.f("ix_archive_study_site_id_study_date_study_time_study_uid"),
        "archive_study",
        ["site_id", "study_date", "study_time", "study_uid"],
        unique=False,
    )
    op.create_index(
        op.f("ix_archive_study_study_date_study_time_study_uid"), "archive_study", ["study_date", "study_time", "study_uid"], unique=False
    )
    op.create_table(
        "directory_account",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("login", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("role", sa.String(length=40), nullable=False),
        sa.Column("site_id", sa.String(length=64), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("must_change_password", sa.Boolean(), nullable=False),
        sa.Column("locale", sa.String(length=10), nullable=False),
        sa.Column("created_at", sa.String(length=27), nullable=False),
        sa.Column("last_sign_in_at", sa.String(length=27), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["directory_site.id"], name=op.f("fk_directory_account_site_id_directory_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_directory_account")),
        sa.UniqueConstraint("login", name=op.f("uq_directory_account_login")),
    )
    op.create_table(
        "directory_device",
        sa.Column("ae_title", sa.String(length=16), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.String(length=64), nullable=False),
        sa.Column("description", sa.String(length=200), nullable=False),
        sa.Column("tls", sa.Boolean(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["directory_site.id"], name=op.f("fk_directory_device_site_id_directory_site")),
        sa.PrimaryKeyConstraint("ae_title", name=op.f("pk_directory_device")),
    )
    op.create_index(op.f("ix_directory_device_site_id"), "directory_device", ["site_id"], unique=False)
    op.create_table(
        "archive_series",
        sa.Column("study_uid", sa.String(length=64).with_variant(sa.String(length=64, collation="C"), "postgresql"), nullable=False),
        sa.Column("series_uid", sa.String(length=64).with_variant(sa.String(length=64, collation="C"), "postgresql"), nullable=False),
        sa.Column("modality", sa.String(length=16).with_variant(sa.String(length=16, collation="C"), "postgresql"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("description", sa.String(length=300).with_variant(sa.String(length=300, collation="C"), "postgresql"), nullable=False),
        sa.Column("attributes", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.Column("sop_classes", sa.Text(), nullable=False),
        sa.Column("instance_count", sa.Integer(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("hidden", sa.Boolean(), nullable=False),
        sa.Column(
            "received_first_at", sa.String(length=27).with_variant(sa.String(length=27, collation="C"), "postgresql"), nullable=False
        ),
        sa.ForeignKeyConstraint(["study_uid"], ["archive_study.study_uid"], name=op.f("fk_archive_series_study_uid_archive_study")),
        sa.PrimaryKeyConstraint("study_uid", "series_uid", name=op.f("pk_archive_series")),
    )
    op.create_index(op.f("ix_archive_series_modality_study_uid"), "archive_series", ["modality", "study_uid"], unique=False)
    op.create_index(op.f("ix_archive_series_series_uid"), "archive_series", ["series_uid"], unique=False)


def downgrade() -> None:
    """Remove them."""
    op.drop_index(op.f("ix_archive_series_series_uid"), table_name="archive_series")
    op.drop_index(op.f("ix_archive_series_modality_study_uid"), table_name="archive_series")
    op.drop_table("archive_series")
    op.drop_index(op.f("ix_directory_device_site_id"), table_name="directory_device")
    op.drop_table("directory_device")
    op.drop_table("directory_account")
    op.drop_index(op.f("ix_archive_study_study_date_study_time_study_uid"), table_name="archive_study")
    op.drop_index(op.f("ix_archive_study_site_id_study_date_study_time_study_uid"), table_name="archive_study")
    op.drop_index(op.f("ix_archive_study_received_last_at"), table_name="archive_study")
    op.drop_index(op.f("ix_archive_study_patient_key"), table_name="archive_study")
    op.drop_index(op.f("ix_archive_study_patient_id"), table_name="archive_study")
    op.drop_index(op.f("ix_archive_study_name_folded"), table_name="archive_study")
    op.drop_index(op.f("ix_archive_study_birth_date"), table_name="archive_study")
    op.drop_index(op.f("ix_archive_study_accession_number"), table_name="archive_study")
    op.drop_table("archive_study")
    op.drop_index(op.f("ix_signin_token_account_id"), table_name="signin_token")
    op.drop_table("signin_token")
    op.drop_index(op.f("ix_signin_session_account_id"), table_name="signin_session")
    op.drop_table("signin_session")
    op.drop_index(op.f("ix_signin_attempt_login_at"), table_name="signin_attempt")
    op.drop_index(op.f("ix_signin_attempt_address_at"), table_name="signin_attempt")
    op.drop_table("signin_attempt")
    op.drop_index(op.f("ix_kit_parked_follower_retry_at"), table_name="kit_parked")
    op.drop_table("kit_parked")
    op.drop_index(op.f("ix_kit_job_state_run_at"), table_name="kit_job")
    op.drop_table("kit_job")
    op.drop_table("kit_follower")
    op.drop_table("kit_change")
    op.drop_table("directory_site")
    op.drop_index(op.f("ix_audit_record_study_uid_at"), table_name="audit_record")
    op.drop_index(op.f("ix_audit_record_at"), table_name="audit_record")
    op.drop_table("audit_record")
    op.drop_index(op.f("ix_archive_rejection_study_uid"), table_name="archive_rejection")
    op.drop_table("archive_rejection")
    op.drop_index(op.f("ix_archive_quiet_due_at"), table_name="archive_quiet")
    op.drop_table("archive_quiet")
    op.drop_index(op.f("ix_archive_patient_name_folded"), table_name="archive_patient")
    op.drop_table("archive_patient")
    op.drop_index(op.f("ix_archive_instance_study_uid_series_uid_number_sop_instance_uid"), table_name="archive_instance")
    op.drop_index(op.f("ix_archive_instance_blob_key"), table_name="archive_instance")
    op.drop_table("archive_instance")
    op.drop_index(op.f("ix_archive_conflict_study_uid"), table_name="archive_conflict")
    op.drop_index(op.f("ix_archive_conflict_sop_instance_uid"), table_name="archive_conflict")
    op.drop_index(op.f("ix_archive_conflict_state_found_at"), table_name="archive_conflict")
    op.drop_table("archive_conflict")
