"""Sites of a rebuild: those that manifests name join the directory, and who sent what no manifest holds is asked of all that is known."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from archipel import directory
from archipel.archive import rows_rebuild, rows_sealed
from archipel.directory import DEFAULT_SITE, Site
from archipel.kit.actor import Actor
from archipel.kit.database import Database, Tx
from archipel.kit.errors import Invalid

PAGE = 50


def add(tx: Tx, actor: Actor, held: dict[str, Any] | None, site_ids: Iterable[str]) -> None:
    """Let the sites of a sealed object join, as its manifest says of one, else with the id as name; a site that people named stays."""
    there = {site.id: site for site in directory.sites(tx)}
    full = Site(**{**held, "services": tuple(held["services"])}) if held else None
    for site_id in sorted(site_ids):
        bare = Site(site_id, site_id, kind="other", demo=full.demo if full else False)
        site = full if full and full.id == site_id else bare
        found = there.get(site_id)
        try:
            if found is None:
                directory.add_site(tx, actor, site)
            elif site != found and site is full and found in (bare, Site(DEFAULT_SITE, "Default site", kind="other")):
                _complete(tx, actor, site)
        except Invalid:  # what the directory would not take: its exams are there, and administrators see them
            continue


def _complete(tx: Tx, actor: Actor, site: Site) -> None:
    values = {name: getattr(site, name) for name in ("name", "kind", "issuer", "services", "time_zone", "active")}
    directory.change_site(tx, actor, site.id, **values)
    if site.demo:
        directory.set_demo(tx, [site.id])


class Senders:
    """At which site an application entity is: the devices of the directory say so, then what it sent before, then the exam it adds to."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._by_ae: dict[str, str] | None = None

    def site_of(self, ae_title: str, study_uid: str) -> str:
        """The site of what an AE sent of a study; '' when nothing tells."""
        if self._by_ae is None:
            self._by_ae = self._learned()
        if ae_title in self._by_ae:
            return self._by_ae[ae_title]
        with self._database.read() as tx:
            return rows_rebuild.site_of(tx, study_uid)

    def _learned(self) -> dict[str, str]:
        seen: dict[str, set[str]] = {}
        after = 0
        while True:
            with self._database.read() as tx:
                page = rows_sealed.page(tx, after, PAGE)
                if not page:
                    break
            after = page[-1].id
            for row in (row for one in page for row in one.rows):
                seen.setdefault(row.source_ae, set()).add(row.site_id)
        with self._database.read() as tx:
            devices = {device.ae_title: device.site_id for device in directory.devices(tx)}
        return {ae: next(iter(some)) for ae, some in seen.items() if ae and len(some) == 1} | devices
