"""The kept messages: durable before the answer, applied once, whole or not at all, replayed when what failed is mended."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from archipel import audit, identity, mllp
from archipel.hl7 import er7
from archipel.hl7.mllp import frame
from archipel.hl7.problems import Problem
from archipel.identity import LocalId
from archipel.kit.actor import Actor
from archipel.kit.cipher import Cipher
from archipel.kit.clock import SetClock
from archipel.kit.database import Database, Tx
from archipel.kit.errors import Conflict, Invalid, NotFound, Unavailable
from tests.mllp.listening import HEAR_ADT, TEST, Listening, adt_message
from tests.servers import REPOSITORY


class Broken:
    """An act that does its work, and fails then, until it is mended."""

    def __init__(self, error: Exception) -> None:
        self.error: Exception | None = error
        self.times = 0

    def __call__(self, tx: Tx, actor: Actor, message: er7.Message) -> tuple[Problem, ...]:
        self.times += 1
        problems = HEAR_ADT(tx, actor, message)
        if self.error is not None:
            raise self.error
        return problems


def test_the_same_message_again_is_answered_as_before_and_applied_once(listening: Listening) -> None:
    message = adt_message("77")
    with listening.wire() as wire:
        wire.put(frame(message))
        first = wire.raw()
        assert listening.send(adt_message("78", "A31", family="LATER", at="20260110101500")).code == "AA"
        wire.put(frame(message))
        assert wire.raw() == first
    assert listening.family("100001") == "LATER", "not applied again"
    assert [(one.control_id, one.state) for one in listening.kept()] == [("77", "applied"), ("78", "applied"), ("77", "duplicate")]
    original, _, again = listening.kept()
    assert again.original_id == original.id
    assert mllp.contents(listening.queue, TEST, again.id) == message
    other_bytes = adt_message("77", "A31", family="COUNTER", at="20260110120000")
    assert listening.send(other_bytes).code == "AA"
    assert listening.family("100001") == "COUNTER", "a control id that comes again with other contents is another message"


def test_the_same_message_on_many_connections_at_once_is_applied_once(make_listening: Callable[..., Listening]) -> None:
    counted = Broken(RuntimeError())
    counted.error = None
    listening = make_listening(hears=counted)
    listening.peer("GAM")
    together = threading.Barrier(8)

    def sender(_: int) -> str:
        with listening.wire() as wire:
            together.wait(20)
            return wire.send(adt_message("5")).code

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(sender, range(8))) == ["AA"] * 8
    assert [one.state for one in listening.kept()].count(mllp.State.APPLIED) == 1
    assert counted.times == 1


def test_a_control_id_that_no_database_holds_is_kept_in_another_form(listening: Listening) -> None:
    assert listening.send(adt_message("1\x002")).code == "AA"
    assert [kept.control_id for kept in listening.kept()] == ["1?2"]


def test_sixteen_connections_at_once(listening: Listening) -> None:
    together = threading.Barrier(16)

    def sender(number: int) -> list[str]:
        with listening.wire() as wire:
            together.wait(20)
            return [wire.send(adt_message(f"{number}-{n}", number=f"{number}-{n}")).code for n in range(5)]

    with ThreadPoolExecutor(16) as pool:
        told = list(pool.map(sender, range(16)))
    assert told == [["AA"] * 5] * 16
    assert {one.state for one in listening.kept()} == {mllp.State.APPLIED} and len(listening.kept()) == 80
    assert all(listening.family(f"{number}-4") == "DURAND" for number in range(16))


@pytest.mark.parametrize(
    ("error", "code", "condition", "state"),
    [
        (RuntimeError("DURAND ALICE"), "AR", "internal", "failed"),
        (Unavailable("A part does not answer.", code="part"), "AR", "internal", "failed"),
        (Conflict("The state does not permit this.", code="state"), "AE", "internal", "failed"),
        (NotFound("There is no such thing.", code="nothing"), "AE", "unknown-key", "failed"),
        (Invalid("This is no value.", code="table-value", field="PID-8"), "AE", "table-value", "refused"),
    ],
)  # fmt: skip
def test_what_fails_leaves_nothing_and_is_replayed_once_mended(
    make_listening: Callable[..., Listening], error: Exception, code: str, condition: str, state: str
) -> None:
    act = Broken(error)
    listening = make_listening(hears=act)
    listening.peer("GAM")
    told = listening.send(adt_message("1"))
    assert (told.code, told.problems[0].condition) == (code, condition)
    assert "DURAND" not in repr(told)
    assert listening.record("100001") is None, "rolled back whole"
    (kept,) = listening.kept()
    assert (kept.state, kept.attempts) == (state, 1) and "DURAND" not in repr(kept)

    assert listening.send(adt_message("1")).code == code, "sent again, tried again"
    assert mllp.replay(listening.queue, TEST, kept.id).state == state
    act.error = None
    assert mllp.replay(listening.queue, TEST, kept.id).state is mllp.State.APPLIED
    assert listening.family("100001") == "DURAND"
    (kept,) = listening.kept()
    assert (kept.state, kept.attempts, kept.code) == ("applied", 4, "AA")
    with pytest.raises(Conflict):
        mllp.replay(listening.queue, TEST, kept.id)
    assert listening.send(adt_message("1")).code == "AA"
    assert act.times == 4
    with pytest.raises(NotFound):
        mllp.replay(listening.queue, TEST, "nothing")


def test_a_message_in_two_parts_is_applied_whole_or_not_at_all(listening: Listening) -> None:
    """A40: the survivor is taken first, then the prior refused."""
    told = listening.send(adt_message("1", "A40", "1", prior="1"))
    assert told.code == "AE"
    assert listening.record("1") is None


def test_bytes_are_encrypted_where_objects_are(make_listening: Callable[..., Listening], database: Database) -> None:
    key = bytes(range(32))
    listening = make_listening(cipher=Cipher({"k1": key}))
    listening.peer("GAM")
    message = adt_message("1", family="SECRETNAME")
    assert listening.send(message).code == "AA"
    (kept,) = listening.kept()
    with database.read() as tx:
        stored = bytes(tx.connection.exec_driver_sql("SELECT data FROM mllp_message").scalar_one())
    assert len(stored) == len(message) and b"SECRETNAME" not in stored
    assert mllp.contents(listening.queue, TEST, kept.id) == message
    rotated = mllp.Queue(database, listening.queue.listens, Cipher({"k1": key, "k2": key[::-1]}))
    assert mllp.contents(rotated, TEST, kept.id) == message
    with pytest.raises(Unavailable):
        mllp.contents(mllp.Queue(database, listening.queue.listens), TEST, kept.id)
    with database.read() as tx:
        assert {one.object_id for one in audit.search(tx, action="mllp.read")} == {kept.id}


def test_messages_go_after_their_time_but_for_those_that_failed(make_listening: Callable[..., Listening], clock: SetClock) -> None:
    act = Broken(Conflict("Not so.", code="state"))
    listening = make_listening(hears=act)
    listening.peer("GAM")
    assert listening.send(adt_message("1")).code == "AE"
    act.error = None
    assert [listening.send(adt_message(n)).code for n in ("2", "2")] == ["AA", "AA"]
    assert mllp.forget(listening.queue, keep_days=30) == 0
    clock.advance(timedelta(days=31).total_seconds())
    assert listening.send(adt_message("3")).code == "AA"
    assert mllp.forget(listening.queue, keep_days=30) == 2
    assert [(one.control_id, one.state) for one in listening.kept()] == [("1", "failed"), ("3", "applied")]
    with listening.database.read() as tx:
        assert mllp.counts(tx) == {"taken": 0, "applied": 1, "failed": 1, "refused": 0, "duplicate": 0}


def test_a_process_that_is_killed_between_keeping_and_answering_doubles_nothing(
    make_listening: Callable[..., Listening], database: Database, clock: SetClock
) -> None:
    listening = make_listening()
    listening.peer("GAM")
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.mllp.dying_child", database.url],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert child.stdout is not None
    port, listening.port = listening.port, int(child.stdout.readline())
    with pytest.raises((EOFError, ConnectionResetError)):
        listening.send(adt_message("1", "A40", "1", prior="2"))
    assert child.wait(20) == -9
    listening.port = port
    assert [(one.control_id, one.state) for one in listening.kept()] == [("1", "taken")]
    assert listening.record("1") is None
    assert mllp.apply_left(listening.queue) == 0, "whoever keeps it may still be at it"
    assert listening.send(adt_message("1", "A40", "1", prior="2")).code == "AA"
    assert [(one.control_id, one.state) for one in listening.kept()] == [("1", "applied")]
    with database.read() as tx:
        person = identity.person_of(tx, LocalId("2", "HOP-A"))
    assert person is not None and len(person.records) == 2


def test_what_a_crash_left_is_applied_when_nobody_repeats_it(
    make_listening: Callable[..., Listening], database: Database, clock: SetClock
) -> None:
    listening = make_listening()
    listening.peer("GAM")
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.mllp.dying_child", database.url],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert child.stdout is not None
    listening.port = int(child.stdout.readline())
    with pytest.raises((EOFError, ConnectionResetError)):
        listening.send(adt_message("1"))
    child.wait(20)
    clock.advance(365 * 86_400)  # the child has the machine's clock
    assert mllp.apply_left(listening.queue) == 1
    assert listening.family("100001") == "DURAND"
    assert mllp.apply_left(listening.queue) == 0
