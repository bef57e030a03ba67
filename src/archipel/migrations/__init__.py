"""Migrations: one Alembic sequence for the tables of every room.

Expand first, contract in a later release, so that the old and the new version can run side by side.
"""

from archipel.migrations.upgrade import current_revision, head_revision, upgrade

__all__ = ["current_revision", "head_revision", "upgrade"]
