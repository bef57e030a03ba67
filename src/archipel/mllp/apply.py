"""Applying a kept message: one transaction, which what fails leaves no trace of, and then its state and answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from archipel.hl7 import ack, er7
from archipel.hl7.problems import Problem, from_error
from archipel.kit.actor import Actor
from archipel.kit.clock import to_text
from archipel.kit.database import DataError, IntegrityError, Tx
from archipel.kit.errors import ArchipelError, Invalid, LimitReached, NotFound, Unavailable
from archipel.kit.ids import new_id
from archipel.mllp import rows
from archipel.mllp.keep import read
from archipel.mllp.model import Kept, State
from archipel.mllp.parts import SOFTWARE, Queue

TRIES_MAX = 3
TEXT_LENGTH_MAX = 300
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What became of a message, and its answer."""

    state: State
    code: str
    answer: bytes


class _Wrong(Exception):
    """The act found the message wrong: nothing of it stays."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("refused")
        self.problems = problems


def apply(queue: Queue, message_id: str) -> Outcome:
    """Apply a kept message, whoever kept it; one that was applied meanwhile is answered as it was.

    Never raises for what the message or the act does. Unavailable when not even its failure can be written: it stays as taken then.
    """
    for attempt in range(TRIES_MAX):
        try:
            return queue.database.transact(lambda tx: _applied(queue, tx, message_id))
        except IntegrityError as error:  # another message made the same record at the same moment: the next try finds it
            if attempt < TRIES_MAX - 1:
                continue
            failure: Exception = error
        except Exception as error:  # the door's loop: whatever an act does, the sender is answered and the message stays
            failure = error
        break
    if not isinstance(failure, _Wrong | ArchipelError):
        log.error("mllp.act_failed", message_id=message_id, error=type(failure).__name__)
    return queue.database.transact(lambda tx: _ended(queue, tx, message_id, failure))


def _applied(queue: Queue, tx: Tx, message_id: str) -> Outcome:
    kept, answer = _locked(tx, message_id)
    if kept.state is State.APPLIED:
        return Outcome(kept.state, kept.code, answer)
    message = er7.parse(read(queue, tx, kept))
    problems = list(check(queue, message))
    if ack.code(problems) == "AA":
        actor = Actor("device", kept.peer, site_id=kept.site_id, address=kept.address)
        problems += queue.listens[message.type[0]].hears(tx, actor, message)
    if ack.code(problems) != "AA":
        raise _Wrong(problems)
    answer = answered(queue, message, "AA", problems)
    rows.end(tx, kept.id, **_end(queue, State.APPLIED, "AA", problems, answer))
    return Outcome(State.APPLIED, "AA", answer)


def check(queue: Queue, message: er7.Message) -> list[Problem]:
    """What is wrong in its MSH for us."""
    return ack.check_header(message, queue.events)


def _ended(queue: Queue, tx: Tx, message_id: str, failure: Exception) -> Outcome:
    """Write that it failed, unless it was applied meanwhile by somebody else."""
    kept, answer = _locked(tx, message_id)
    if kept.state is State.APPLIED:
        return Outcome(kept.state, kept.code, answer)
    state, code, problems = verdict(failure)
    try:
        message = er7.parse(read(queue, tx, kept))
        answer = answered(queue, message, code, problems)
    except ArchipelError as error:
        answer = ack.reject(b"", error, control_id=_control_id(), at=queue.database.clock.now())
    rows.end(tx, kept.id, **_end(queue, state, code, problems, answer))
    return Outcome(state, code, answer)


def verdict(failure: Exception) -> tuple[State, str, list[Problem]]:
    """State, code and problems for a failure: refused where the message is wrong, AR where sending it again later may work."""
    if isinstance(failure, _Wrong):
        return State.REFUSED, ack.code(failure.problems), list(failure.problems)
    if isinstance(failure, DataError):  # a value that the database cannot hold: sending it again does not help
        failure = Invalid("A value of the message cannot be kept.", code="data-type", field="PID")
    if not isinstance(failure, ArchipelError):
        failure = Unavailable("The message could not be applied here; it is kept.", code="internal")
    problem = from_error(failure)
    if isinstance(failure, LimitReached | Unavailable):
        return State.FAILED, "AR", [problem]
    if isinstance(failure, NotFound):
        problem = Problem("unknown-key", problem.place, problem.text)
    return State.REFUSED if isinstance(failure, Invalid) else State.FAILED, "AE", [problem]


def answered(queue: Queue, message: er7.Message, code: str, problems: Sequence[Problem]) -> bytes:
    """The acknowledgement."""
    at = queue.database.clock.now()
    return ack.acknowledge(message, code=code, control_id=_control_id(), at=at, problems=problems, software=SOFTWARE)


def _control_id() -> str:
    return new_id()[:20]  # MSH-10 has 20 characters before v2.7


def _locked(tx: Tx, message_id: str) -> tuple[Kept, bytes]:
    found = rows.lock(tx, message_id)
    if found is None:
        raise NotFound("There is no such message.", code="no-message", field="id")
    return found


def _end(queue: Queue, state: State, code: str, problems: Sequence[Problem], answer: bytes) -> dict[str, object]:
    first = next((p for p in problems if p.severity == "E"), problems[0] if problems else None)
    text = f"{first.place}: {first.text}"[:TEXT_LENGTH_MAX] if first else ""
    at = to_text(queue.database.clock.now())
    return {"state": state, "ended_at": at, "code": code, "condition": first.condition if first else "", "text": text, "answer": answer}
