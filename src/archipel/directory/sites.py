"""Sites: join, change, list."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from archipel import audit
from archipel.directory import rows, rows_people
from archipel.directory.administrators import keeping_an_administrator
from archipel.directory.model import SERVICES, Site, check_finess, check_site_id, check_text
from archipel.directory.roles import check_role
from archipel.kit.actor import Actor
from archipel.kit.database import Tx
from archipel.kit.errors import Conflict, Invalid, NotFound

DEFAULT_SITE = "default"
KINDS = ("hospital", "practice", "screening_centre", "other")


def ensure_default_site(tx: Tx) -> Site:
    """The site of an unused folder, made when it is missing."""
    existing = rows.get_site(tx, DEFAULT_SITE)
    if existing:
        return existing
    rows.add_site(tx, Site(DEFAULT_SITE, "Default site", kind="other"))  # another process may have done so meanwhile
    return site_named(tx, DEFAULT_SITE)


def add_site(tx: Tx, actor: Actor, site: Site) -> Site:
    """Let a site join; Conflict when its id is taken."""
    check_site_id(site.id)
    if rows.get_site(tx, site.id):
        raise Conflict(f"There is a site {site.id} already.", code="site-exists", field="id")
    _check(tx, site)
    rows.put_site(tx, site)
    audit.record(tx, actor, "directory.add_site", object_id=site.id)
    return site


def change_site(tx: Tx, actor: Actor, site_id: str, **changes: Any) -> Site:
    """Change a site's name, kind, issuer, services, structure or activity. Conflict when it closes the last administrator's site."""
    site = replace(site_named(tx, site_id), **changes)
    _check(tx, site)
    with keeping_an_administrator(tx):
        rows.put_site(tx, site)
    audit.record(tx, actor, "directory.change_site", object_id=site_id, fields=sorted(changes))
    return site


def set_demo(tx: Tx, site_ids: Iterable[str]) -> None:
    """Mark sites as part of the training region: what belongs to them may not leave by any door."""
    with keeping_an_administrator(tx):
        for site_id in site_ids:
            rows.put_site(tx, replace(site_named(tx, site_id), demo=True))


def same_region(tx: Tx, site_id: str, other_site_id: str) -> bool:
    """Whether two sites are both of the training region or both real; one that is not in the directory counts as real.

    What is synthetic never leaves the training region, and what is real never enters it: its people's passwords are public.
    """
    return site_id == other_site_id or _is_demo(tx, site_id) == _is_demo(tx, other_site_id)


def site_named(tx: Tx, site_id: str) -> Site:
    """One site, or NotFound."""
    site = rows.get_site(tx, site_id)
    if site is None:
        raise NotFound(f"There is no site {site_id}.", code="no-site", field="site_id")
    return site


def sites(tx: Tx) -> list[Site]:
    """All sites by name."""
    return rows.all_sites(tx)


def _is_demo(tx: Tx, site_id: str) -> bool:
    site = rows.get_site(tx, site_id)
    return site is not None and site.demo


def _check(tx: Tx, site: Site) -> None:
    if site.finess:
        entity = rows_people.get_structure(tx, check_finess(site.finess))
        if entity is None or entity.kind != "geographic":
            raise Invalid(f"There is no geographic entity {site.finess}.", code="no-structure", field="finess")
    unknown = [s for s in site.services if s not in SERVICES]
    if unknown:
        raise Invalid(f"There is no service {unknown[0]!r}; there are: {', '.join(SERVICES)}.", code="service", field="services")
    for role in site.second_factor_roles:
        check_role(role)
    if site.kind not in KINDS:
        raise Invalid(f"There is no kind of site {site.kind!r}; there are: {', '.join(KINDS)}.", code="site-kind", field="kind")
    if not site.name.strip() or len(site.name) > 200:
        raise Invalid("A site needs a name of at most 200 characters.", code="site-name", field="name")
    check_text(site.name, 200, "name")
    check_text(site.issuer, 64, "issuer")
    check_text(site.time_zone, 60, "time_zone")
