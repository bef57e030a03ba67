"""Administrators: one who is real always remains, whatever is done to accounts and sites."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from archipel.directory import rows
from archipel.directory.roles import Role
from archipel.kit.database import Tx
from archipel.kit.errors import Conflict


@contextmanager
def keeping_an_administrator(tx: Tx) -> Iterator[None]:
    """Conflict when what is done within would leave no administrator, if there is one now.

    An administrator is an active account at an active site outside the training region: there, passwords are public, and its people
    administer nothing else. Two acts at once must see each other, hence the lock.
    """
    rows.lock_role(tx, Role.ADMINISTRATOR.value)
    was_one = rows.has_administrator(tx)
    yield
    if was_one and not rows.has_administrator(tx):
        raise Conflict("This would leave no active administrator at an active site.", code="last-administrator")
