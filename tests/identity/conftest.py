"""The register of persons on each back end: two real sites, a training site, and what senders say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from archipel import directory, identity
from archipel.directory import Site
from archipel.identity import Decision, Ins, LocalId, Seen, Status, Taken, Traits
from archipel.kit import feed
from archipel.kit.actor import Actor
from archipel.kit.database import Database
from tests.signin.conftest import clock, database

__all__ = ["clock", "database"]

SYSTEM = Actor.system("tests")
OFFICER = Actor("account", "officer", "Officer", "identity_officer", "a")
NOBODY = Traits()
T0 = datetime(2026, 1, 10, 8, 0, tzinfo=UTC)
NIR = "1.2.250.1.213.1.4.8"
NIR_TEST = "1.2.250.1.213.1.4.10"
MARIE = Traits("DURAND", "MARIE", ("MARIE", "ANNE"), birth_date="19800214", sex="F", birth_place_insee="31555")
MARIE_INS = Ins("280023155500158", NIR)


class Register:
    """What senders and people do, each in a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self.database = database
        with database.write() as tx:
            for site in (Site("a", "A"), Site("b", "B"), Site("t", "Training")):
                directory.add_site(tx, SYSTEM, site)
            directory.set_demo(tx, ["t"])

    def take(self, value: str, traits: Traits = NOBODY, *, site: str = "a", minutes: float = 0, **more: Any) -> Taken:
        """What an ADT message of a site says; with an INS the identity is qualified."""
        local_id = LocalId(value, more.pop("issuer", site.upper()))
        said = {"status": Status.QUALIFIED if "ins" in more else Status.PROVISIONAL, "source": "hl7", **more}
        seen = Seen(local_id, site, traits, at=T0 + timedelta(minutes=minutes), **said)
        return self.database.transact(lambda tx: identity.take(tx, SYSTEM, seen))

    def merge(self, prior: str, survivor: str, *, site: str = "a", minutes: float = 0) -> Decision:
        """A40 of a site."""
        ids = LocalId(prior, site.upper()), LocalId(survivor, site.upper())
        at = T0 + timedelta(minutes=minutes)
        return self.database.transact(lambda tx: identity.replace_id(tx, SYSTEM, *ids, site_id=site, source="hl7", at=at))

    def act(self, act: Any, *arguments: Any, **more: Any) -> Any:
        """An act of the identity officer."""
        return self.database.transact(lambda tx: act(tx, OFFICER, *arguments, **more))

    def person(self, value: str, issuer: str = "A") -> str:
        """The id of the person of an identifier."""
        with self.database.read() as tx:
            found = identity.person_of(tx, LocalId(value, issuer))
        assert found is not None
        return found.id

    def ids(self, value: str, issuer: str = "A") -> set[str]:
        """All identifiers of that person, as value@issuer."""
        with self.database.read() as tx:
            return {f"{one.value}@{one.issuer}" for one in identity.ids_of_person(tx, self.person(value, issuer))}

    def changes(self) -> list[tuple[str, dict[str, Any]]]:
        """What was published."""
        with self.database.read() as tx:
            return [(name, payload) for _, name, payload in feed.changes_after(tx, 0, limit=10_000)]


@pytest.fixture
def register(database: Database) -> Register:
    """An empty register."""
    return Register(database)
