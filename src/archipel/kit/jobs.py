"""Jobs: work on the outside world, enqueued inside a transaction and run after it, with bounds."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import ColumnElement, delete, func, insert, or_, select, update

from archipel.kit import rows, traces
from archipel.kit.clock import from_text, to_text
from archipel.kit.database import Database, Tx
from archipel.kit.errors import ArchipelError, Unavailable
from archipel.kit.ids import new_id

log = structlog.get_logger(__name__)

Act = Callable[..., None]
LEASE_S = 300
RENEW_S = LEASE_S / 4
DEDUP_TRIES = 3
NICE = 10
DONE_KEPT_S = 7 * 86_400
FORGET_EVERY_S = 600.0
# Instants that lie further ahead than anything is put off were written before the machine's clock was set back.
AHEAD_S = 120
SET_RIGHT_EVERY_S = 15.0
FORGOTTEN_AT_ONCE = 10_000
BACKOFF_S = (5, 30, 120, 600, 1800)


def enqueue(
    tx: Tx,
    name: str,
    arguments: Mapping[str, Any],
    *,
    dedup_key: str | None = None,
    deadline_s: int = 86_400,
    attempts_max: int = 10,
    delay_s: float = 0,
) -> str:
    """Add a job that runs once this transaction has committed; an open job with the same ``dedup_key`` is returned instead."""
    now = tx.now()
    job_id = new_id()
    values = {
        "id": job_id, "name": name, "arguments": json.dumps(dict(arguments)), "dedup_key": dedup_key, "state": "waiting", "attempts": 0,
        "attempts_max": attempts_max, "run_at": to_text(now + timedelta(seconds=delay_s)),
        "deadline_at": to_text(now + timedelta(seconds=deadline_s)), "created_at": to_text(now), "error": "",
    }  # fmt: skip
    if dedup_key is None:
        tx.execute(insert(rows.job).values(values))
        return job_id
    for _ in range(DEDUP_TRIES):  # the job that had the key may end between the two statements
        rows.insert_new(tx, rows.job, [values])
        existing = tx.execute(select(rows.job.c.id).where(rows.job.c.dedup_key == dedup_key)).scalar()
        if existing:
            return str(existing)
    raise Unavailable("The job could not be enqueued; try again.", code="job-busy", detail=dedup_key)


def withdraw(tx: Tx, job_id: str) -> None:
    """What a waiting job was for has been done otherwise: it will not run."""
    values = {"state": "done", "dedup_key": None, "ended_at": to_text(tx.now())}
    tx.execute(update(rows.job).where(rows.job.c.id == job_id, rows.job.c.state == "waiting").values(**values))


def hasten(tx: Tx, job_id: str) -> None:
    """Let a waiting job run as soon as this transaction has committed."""
    tx.execute(update(rows.job).where(rows.job.c.id == job_id, rows.job.c.state == "waiting").values(run_at=to_text(tx.now())))


def lease(database: Database) -> tuple[str, str, str, dict[str, Any]] | None:
    """Take the next job that is due, or whose worker died (its lease ran out): (id, lease, name, arguments)."""

    def take(tx: Tx) -> tuple[str, str, str, dict[str, Any]] | None:
        j = rows.job.c
        columns = (j.id, j.name, j.arguments, j.state, j.attempts, j.attempts_max, j.deadline_at, j.error)
        while True:
            statement = select(*columns).where(_due(tx)).order_by(j.run_at).limit(1)
            row = tx.execute(statement.with_for_update(skip_locked=True)).first()
            if row is None:
                return None
            over = _over(row, to_text(tx.now()))
            if not over:
                break
            ended = {
                "state": "failed",
                "dedup_key": None,
                "lease": None,
                "leased_until": None,
                "ended_at": to_text(tx.now()),
                "error": f"{over}; before that: {row.error}" if row.error else over,
            }
            tx.execute(update(rows.job).where(j.id == row.id).values(ended))
            log.warning("job.given_up", job=row.name, job_id=row.id, reason=over)
        token = new_id()
        values = {"state": "running", "lease": token, "leased_until": _lease_end(tx), "attempts": row.attempts + 1}
        tx.execute(update(rows.job).where(j.id == row.id).values(values))
        return row.id, token, row.name, json.loads(row.arguments)

    with database.read() as tx:  # most of the time nothing is due, and looking costs no write lock
        if tx.execute(select(rows.job.c.id).where(_due(tx)).limit(1)).first() is None:
            return None
    return database.transact(take)


def _due(tx: Tx) -> ColumnElement[bool]:
    j = rows.job.c
    now = to_text(tx.now())
    return or_((j.state == "waiting") & (j.run_at <= now), (j.state == "running") & (j.leased_until < now))


def _over(row: Any, now: str) -> str:
    """Why a job that is due must not run again, or ''. A worker that dies counts as a try: a job that kills its worker ends too."""
    if row.state == "running" and row.attempts >= row.attempts_max:
        return f"its worker died at try {row.attempts} of {row.attempts_max}"
    return f"its time ended at {row.deadline_at}" if now > row.deadline_at else ""


def _lease_end(tx: Tx) -> str:
    return to_text(tx.now() + timedelta(seconds=LEASE_S))


def renew(database: Database, job_id: str, token: str) -> bool:
    """Keep a job that takes long; False when its lease has run out and another worker has it."""
    with database.write() as tx:
        held = update(rows.job).where(rows.job.c.id == job_id, rows.job.c.lease == token)
        return bool(tx.execute(held.values(leased_until=_lease_end(tx))).rowcount)


def finish(database: Database, job_id: str, token: str, error: str | None) -> None:
    """Close a leased job: done, waiting for another try, or failed when its tries or its time are used up."""
    with database.write() as tx:
        j = rows.job.c
        row = tx.execute(select(j.attempts, j.attempts_max, j.deadline_at).where(j.id == job_id, j.lease == token)).first()
        if row is None:
            return  # the lease ran out and another worker has it now
        now = tx.now()
        if error is None:
            values: dict[str, Any] = {"state": "done", "dedup_key": None, "ended_at": to_text(now), "error": ""}
        else:
            run_at = to_text(now + timedelta(seconds=BACKOFF_S[min(row.attempts - 1, len(BACKOFF_S) - 1)]))
            over = row.attempts >= row.attempts_max or run_at > row.deadline_at
            values = {"state": "failed", "dedup_key": None, "ended_at": to_text(now)} if over else {"state": "waiting", "run_at": run_at}
            values["error"] = error[:4000]
        tx.execute(update(rows.job).where(j.id == job_id).values(lease=None, leased_until=None, **values))


def forget_done(tx: Tx) -> None:
    """Remove the jobs that were done a week ago; those that failed stay for people to see."""
    j = rows.job.c
    before = to_text(tx.now() - timedelta(seconds=DONE_KEPT_S))
    old = select(j.id).where(j.state == "done", j.run_at < before, j.ended_at < before).limit(FORGOTTEN_AT_ONCE)
    tx.execute(delete(rows.job).where(j.id.in_(old)))


def set_right(database: Database) -> None:
    """Let jobs that a clock which was ahead has put off wait no longer than they were meant to, now that it has been set back."""
    j = rows.job.c

    def act(tx: Tx) -> None:
        now = tx.now()
        columns = (j.id, j.state, j.created_at, j.run_at, j.deadline_at)
        for row in tx.execute(select(*columns).where(_ahead(now)).limit(FORGOTTEN_AT_ONCE).with_for_update(skip_locked=True)).all():
            if row.state == "running":  # its worker may live: it keeps what it would have had
                values = {"leased_until": _lease_end(tx)}
            elif row.created_at > to_text(now):
                back = from_text(row.created_at) - now
                values = {name: to_text(from_text(getattr(row, name)) - back) for name in ("created_at", "run_at", "deadline_at")}
            else:
                values = {"run_at": to_text(now)}
            tx.execute(update(rows.job).where(j.id == row.id).values(values))
            log.warning("job.clock_set_back", job_id=row.id)

    with database.read() as tx:
        if tx.execute(select(j.id).where(_ahead(tx.now())).limit(1)).first() is None:
            return
    database.transact(act)


def _ahead(now: datetime) -> ColumnElement[bool]:
    """Open jobs with an instant that only a clock ahead of this one can have written."""
    j = rows.job.c

    def after(seconds: float) -> str:
        return to_text(now + timedelta(seconds=seconds + AHEAD_S))

    put_off = (j.attempts > 0) & (j.run_at > after(BACKOFF_S[-1]))
    waiting = (j.state == "waiting") & (put_off | (j.created_at > after(0)))
    return waiting | ((j.state == "running") & (j.leased_until > after(LEASE_S)))


def counts(tx: Tx) -> dict[str, int]:
    """Number of jobs by state."""
    counted = tx.execute(select(rows.job.c.state, func.count()).group_by(rows.job.c.state))
    found = {state: count for state, count in counted}
    return {state: found.get(state, 0) for state in ("waiting", "running", "failed", "done")}


def unfinished(tx: Tx) -> dict[str, tuple[int, str]]:
    """Number and oldest creation (as text; '' when there is none) of the jobs that are not done, by state."""
    j = rows.job.c
    states = ("waiting", "running", "failed")
    statement = select(j.state, func.count(), func.min(j.created_at)).where(j.state.in_(states)).group_by(j.state)
    found = {state: (count, oldest) for state, count, oldest in tx.execute(statement)}
    return {state: found.get(state, (0, "")) for state in states}


def open_since(tx: Tx, name: str) -> tuple[int, str]:
    """How many jobs of a name wait or run, and the creation of the oldest as text ('' when there is none)."""
    j = rows.job.c
    statement = select(func.count(), func.min(j.created_at)).where(j.state.in_(("waiting", "running")), j.name == name)
    count, oldest = tx.execute(statement).one()
    return int(count), oldest or ""


def is_open(tx: Tx, dedup_key: str) -> bool:
    """Whether a job with this key waits or runs."""
    return tx.execute(select(rows.job.c.id).where(rows.job.c.dedup_key == dedup_key)).scalar() is not None


def recent(tx: Tx, limit: int = 100) -> list[dict[str, Any]]:
    """The newest jobs, for people to see; arguments are ids only."""
    j = rows.job.c
    columns = (j.id, j.name, j.state, j.attempts, j.attempts_max, j.run_at, j.deadline_at, j.error, j.created_at, j.ended_at)
    return [dict(row._mapping) for row in tx.execute(select(*columns).order_by(j.created_at.desc()).limit(limit))]


class JobRunner:
    """Threads that run jobs by name until they are stopped."""

    def __init__(
        self,
        database: Database,
        acts: Mapping[str, Act],
        *,
        threads: int = 2,
        poll_s: float = 0.5,
        renew_s: float = RENEW_S,
    ) -> None:
        self._database = database
        self._acts = acts
        self._poll_s = poll_s
        self._renew_s = renew_s
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._run, name=f"job-{i}", daemon=True) for i in range(threads)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_s: float = 30) -> None:
        """Finish the jobs in hand and stop."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(timeout_s)

    def run_one(self) -> bool:
        """Run one job that is due; False when there is none."""
        leased = lease(self._database)
        if leased is None:
            return False
        job_id, token, name, arguments = leased
        error = None
        ended = threading.Event()
        keeper = threading.Thread(target=self._keep, args=(job_id, token, ended), name=f"job-keep-{name}", daemon=True)
        keeper.start()
        try:
            with traces.span(f"job {name}", {"archipel.job_id": job_id}):
                self._acts[name](**arguments)
        except Exception as failure:
            error = repr(failure)
            log.warning("job.failed", job=name, job_id=job_id, error=error)
        finally:
            ended.set()
            keeper.join()
        finish(self._database, job_id, token, error)
        return True

    def _keep(self, job_id: str, token: str, ended: threading.Event) -> None:
        """Renew the lease while the job runs, so that no second worker takes what merely takes long."""
        while not ended.wait(self._renew_s):
            try:
                renew(self._database, job_id, token)
            except ArchipelError as error:  # the database is away: the next time will do, or the lease runs out
                log.warning("job.not_renewed", job_id=job_id, detail=error.detail)

    def _run(self) -> None:
        with contextlib.suppress(OSError):  # whoever waits at a door goes before what nobody waits for
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        forget_at = set_right_at = 0.0
        while not self._stopping.is_set():
            try:
                if time.monotonic() >= set_right_at:
                    set_right_at = time.monotonic() + SET_RIGHT_EVERY_S
                    set_right(self._database)
                if time.monotonic() >= forget_at:
                    forget_at = time.monotonic() + FORGET_EVERY_S
                    self._database.transact(forget_done, durable=False)
                busy = self.run_one()
            except Exception as error:  # the database may be away for a while: jobs wait for it
                log.error("job.unreachable", error=repr(error))
                busy = False
            if not busy:
                self._stopping.wait(self._poll_s)
