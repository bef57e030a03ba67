"""How well and how quickly records of one person find each other, on people that do not exist.

    BENCH_PERSONS=1000000 .venv/bin/python benchmarks/identity.py [folder]

A first site's records fill the register in bulk; then another site's are taken one by one as messages would be, a quarter of them of people
whom the first does not know. Prints JSON. No automatic link may be wrong: the exit status says so.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from archipel import directory, identity, migrations
from archipel.directory import Site
from archipel.identity import LocalId, Record, Seen, Status, Verdict, rows, rows_proposals
from archipel.kit.actor import Actor
from archipel.kit.database import Database
from archipel.kit.ids import new_id
from archipel.kit.scope import Scope
from benchmarks.people import Heard, Population, Someone

ACTOR = Actor.system("benchmark")
AT = datetime(2026, 1, 1, tzinfo=UTC)
BATCH = 20_000


def fill(database: Database, population: Population) -> float:
    """The first site's records, in bulk; seconds."""
    start = time.monotonic()
    batch: list[Record] = []
    for one in population.fill():
        batch.append(record_of(one))
        if len(batch) == BATCH:
            write(database, batch)
    write(database, batch)
    return time.monotonic() - start


def write(database: Database, batch: list[Record]) -> None:
    """Write and empty a batch."""
    with database.write(durable=False) as tx:
        rows.add(tx, batch)
    batch.clear()


def record_of(one: Someone) -> Record:
    """A person as the first site knows her."""
    person_id = new_id()
    ins, status = (one.ins, Status.QUALIFIED) if one.is_qualified else (None, Status.VALIDATED)
    return Record(
        new_id(), LocalId(str(one.number), "A"), "a", False, person_id, person_id, one.traits, ins, status, frozenset(), "hl7", AT
    )  # fmt: skip


class Tally:
    """What came of the other site's records."""

    def __init__(self) -> None:
        self.wrong = 0
        self.truth: dict[str, object] = {}
        self.linked = 0
        self.ranks: dict[str, Counter[str]] = {}
        self.seconds: list[float] = []
        self.proposed_of_strangers = 0
        self.strangers = 0
        self.proposals: list[str] = []

    def take(self, database: Database, heard: Heard) -> None:
        """Take one record and see what it found."""
        ins = heard.ins
        seen = Seen(
            LocalId(f"B{heard.number}", "B"), "b", heard.traits, ins, Status.QUALIFIED if ins else Status.VALIDATED, frozenset(), "hl7:B",
            at=AT + timedelta(seconds=heard.number),
        )  # fmt: skip
        start = time.monotonic()
        with database.write(durable=False) as tx:
            taken = identity.take(tx, ACTOR, seen)
        self.seconds.append(time.monotonic() - start)
        who = self.truth[seen.id.value] = heard.number if heard.person is None else str(heard.person)
        with database.read() as tx:
            found = ranked(taken, tx)
        if taken.linked is not None:
            self.linked += 1
            self.wrong += any(self.truth.get(value, value) != who for value in found[0])
        if heard.person is None:
            self.strangers += 1
            self.proposed_of_strangers += len(taken.proposed)
            return
        counts = self.ranks.setdefault(heard.kind, Counter())
        counts["all"] += 1
        if taken.linked is not None:
            counts["linked"] += 1
        rank = next((n for n, values in enumerate(found, 1) if any(self.truth.get(value, value) == who for value in values)), None)
        for bound in (1, 3, 10, 20):
            counts[f"at_{bound}"] += rank is not None and rank <= bound
        self.proposals += taken.proposed[:1]


def ranked(taken: identity.Taken, tx: Any) -> list[set[str]]:
    """The first site's numbers that a record led to: those of its person by a link, then of its proposals, the likeliest first."""
    if taken.linked is not None:
        return [{r.id.value for r in identity.records_of(tx, taken.record.person_id)}]
    proposals = [rows_proposals.with_id(tx, one) for one in taken.proposed]
    others = []
    for p in sorted((p for p in proposals if p), key=lambda p: (-p.score, p.id)):
        key = p.high_key if p.low_key == taken.record.key else p.low_key
        others.append({rows.by_keys(tx, [key])[key].id.value})
    return others


def searches(database: Database, population: Population, count: int) -> dict[str, dict[str, float]]:
    """Milliseconds of searches of each kind, and how often the person was among the first 50."""
    r, scope = random.Random(3), Scope.system("benchmark")
    forms: dict[str, Any] = {
        "family_first": lambda t: (f"{t.birth_family} {t.birth_first}", ""),
        "first_family_lower": lambda t: (f"{t.birth_first} {t.birth_family}".lower(), ""),
        "beginnings": lambda t: (f"{t.birth_family[:4]} {t.birth_first[:3]}", ""),
        "family_date": lambda t: (t.birth_family, t.birth_date),
        "date_in_text": lambda t: (f"{t.birth_first} {t.birth_date[6:]}/{t.birth_date[4:6]}/{t.birth_date[:4]}", ""),
        "family_alone": lambda t: (t.birth_family, ""),
        "nobody": lambda t: ("QQXZ WWY", ""),
    }
    found: dict[str, dict[str, float]] = {}
    for name, form in forms.items():
        took, hits = [], 0
        for _ in range(count):
            one = r.choice(population.people)
            text, date = form(one.traits)
            start = time.monotonic()
            with database.read() as tx:
                persons = identity.find(tx, scope, text, birth_date=date, limit=50)
            took.append((time.monotonic() - start) * 1000)
            hits += any(str(one.number) == record.id.value for p in persons for record in p.records)
        took.sort()
        p95 = took[int(count * 0.95)]
        found[name] = {"p50_ms": round(statistics.median(took), 1), "p95_ms": round(p95, 1), "found": round(hits / count, 3)}
    return found


def decisions(database: Database, proposals: list[str], count: int) -> dict[str, float]:
    """Milliseconds that a person's link and its undoing take."""
    took: dict[str, list[float]] = {"link": [], "undo": []}
    for proposal_id in proposals:
        if len(took["link"]) == count:
            break
        with database.read() as tx:
            proposal = rows_proposals.with_id(tx, proposal_id)
        if proposal is None or proposal.state != "open":
            continue
        start = time.monotonic()
        with database.write(durable=False) as tx:
            made = identity.decide(tx, ACTOR, proposal_id, Verdict.LINK, site_ids=None)
        took["link"].append((time.monotonic() - start) * 1000)
        start = time.monotonic()
        with database.write(durable=False) as tx:
            identity.undo(tx, ACTOR, made.decision_id)
        took["undo"].append((time.monotonic() - start) * 1000)
    return {f"{name}_p95_ms": round(sorted(ms)[int(len(ms) * 0.95)], 1) for name, ms in took.items() if ms}


def run(folder: Path, persons: int, heard: int, *, searches_each: int = 200) -> dict[str, Any]:
    """Everything, as numbers."""
    database = Database(f"sqlite:///{folder / 'identity.db'}")
    migrations.upgrade(database)
    with database.write() as tx:
        for site in (Site("a", "A", issuer="A"), Site("b", "B", issuer="B")):
            directory.add_site(tx, ACTOR, site)
    population = Population(persons)
    filled_s = fill(database, population)
    tally = Tally()
    for one in population.heard(heard):
        tally.take(database, one)
    took = sorted(second * 1000 for second in tally.seconds)
    known = sum((counts for counts in tally.ranks.values()), Counter[str]())
    return {
        "persons": persons,
        "heard": heard,
        "filled_s": round(filled_s),
        "size_bytes": database.size_bytes(),
        "wrong_links": tally.wrong,
        "links": tally.linked,
        "recall": {name: round(known[name] / known["all"], 4) for name in ("at_1", "at_3", "at_10", "at_20")},
        "kinds": {kind: dict(counts) for kind, counts in sorted(tally.ranks.items())},
        "proposals_per_stranger": round(tally.proposed_of_strangers / max(1, tally.strangers), 3),
        "take_ms": {"p50": round(took[len(took) // 2], 2), "p95": round(took[int(len(took) * 0.95)], 2), "max": round(took[-1], 1)},
        "decide": decisions(database, tally.proposals, 200),
        "find": searches(database, population, searches_each),
    }


def main() -> None:
    persons = int(os.environ.get("BENCH_PERSONS", "100000"))
    heard = int(os.environ.get("BENCH_HEARD", str(min(20_000, persons // 5))))
    with tempfile.TemporaryDirectory() as scratch:
        figures = run(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(scratch), persons, heard)
    print(json.dumps(figures, indent=1))
    sys.exit(figures["wrong_links"] > 0)


if __name__ == "__main__":
    main()
