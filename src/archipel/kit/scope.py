"""Scope: which studies a reader may see, as a condition that every register puts into its own SQL."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, false, true


@dataclass(frozen=True)
class Scope:
    """An opaque condition on studies. There is no default: a read without a scope cannot be written.

    ``reason`` goes into the audit record. ``site_ids`` is None when every site's studies are visible.
    """

    reason: str
    site_ids: frozenset[str] | None

    @classmethod
    def system(cls, reason: str) -> Scope:
        """Everything, for background work that states what it is for."""
        return cls(reason=reason, site_ids=None)

    @classmethod
    def everything(cls, reason: str) -> Scope:
        """Everything, for a person or device whose role gives that right."""
        return cls(reason=reason, site_ids=None)

    @classmethod
    def of_sites(cls, site_ids: Iterable[str], reason: str) -> Scope:
        """The studies that belong to these sites, and no others."""
        return cls(reason=reason, site_ids=frozenset(site_ids))

    def condition(self, site_id_column: ColumnElement[str]) -> ColumnElement[bool]:
        """The SQL condition on a register's column of the owning site."""
        if self.site_ids is None:
            return true()
        if not self.site_ids:
            return false()
        return site_id_column.in_(sorted(self.site_ids))

    def covers(self, site_id: str) -> bool:
        """Whether a study of that site is visible."""
        return self.site_ids is None or site_id in self.site_ids
