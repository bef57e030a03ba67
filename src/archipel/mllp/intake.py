"""One frame: who sent it, whether it is a message for us, keeping it, and what is answered at each point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from archipel import directory
from archipel.directory import Hl7Peer
from archipel.hl7 import ack, er7
from archipel.hl7.mllp import Frame
from archipel.hl7.problems import Place, Problem
from archipel.kit.clock import to_text
from archipel.kit.errors import ArchipelError, Invalid, LimitReached
from archipel.kit.ids import new_id
from archipel.mllp import apply, keep
from archipel.mllp.model import State
from archipel.mllp.parts import Queue

SENDER_UNKNOWN = "sender-unknown"


@dataclass(frozen=True)
class Taken:
    """What of a frame is answered at once, and the message that is still to be applied."""

    event: str
    code: str
    answers: tuple[bytes, ...] = ()
    message_id: str = ""
    wanted: ack.Wanted | None = None
    stranger: str = ""
    """What a sender that we do not know calls itself, letters and digits only."""


def take(queue: Queue, peers: Sequence[Hl7Peer], address: str, frame: Frame) -> Taken:
    """Keep a frame's message if its sender is known, and say what to answer now. Unavailable when it cannot be kept."""
    message, error = _read(frame)
    names = _names(message)
    peer = directory.sender(peers, names)
    if peer is None:
        return _unknown(queue, frame.data, message, names)
    if message is None:
        assert error is not None
        answer = ack.reject(frame.data, error, control_id=new_id()[:20], at=queue.database.clock.now())
        return _refused(queue, peer, address, frame.data, None, answer, "AE" if error.kind == "invalid" else "AR", error.public)
    problems = apply.check(queue, message)
    wanted = ack.wanted(message)
    if problems:
        on_receipt = wanted.is_enhanced and wanted.accept != "NE"
        code = ack.code(problems, on_receipt=on_receipt)
        answer = apply.answered(queue, message, code, problems)
        taken = _refused(queue, peer, address, frame.data, message, answer, code, problems[0].text)
        return taken if wanted.accepts(code) else replace(taken, answers=())
    found = keep.keep(queue, peer, address, frame.data, message)
    received = (apply.answered(queue, message, "CA", []),) if wanted.accepts("CA") and wanted.is_enhanced else ()
    event = keep.event_of(message)
    if found.answer:
        again = (found.answer,) if wanted.accepts(found.code) else ()
        return Taken(event, found.code, (*received, *again))
    return Taken(event, "", received, found.id, wanted)


def finish(queue: Queue, taken: Taken) -> Taken:
    """Apply a message that was taken, and say what to answer."""
    outcome = apply.apply(queue, taken.message_id)
    told = taken.wanted is None or taken.wanted.accepts(outcome.code)
    return replace(taken, code=outcome.code, answers=(outcome.answer,) if told else (), message_id="")


def not_now(queue: Queue, frame: Frame, error: ArchipelError) -> Taken:
    """The answer when nothing could be kept or written: AR, so that the sender comes again."""
    answer = ack.reject(frame.data, error, control_id=new_id()[:20], at=queue.database.clock.now())
    return Taken("", "AR", (answer,))


def _read(frame: Frame) -> tuple[er7.Message | None, ArchipelError | None]:
    try:
        if frame.fault == "too-long":
            raise LimitReached("The message is longer than is taken here.", code="message-too-long", field="MSH")
        if frame.fault:
            raise Invalid("The message was cut off.", code="segment-sequence", field="MSH")
        return er7.parse(frame.data), None
    except ArchipelError as error:
        return None, error


def _names(message: er7.Message | None) -> list[str]:
    """What the sending application and facility call themselves: MSH-3 and MSH-4, local and universal."""
    fields = ("MSH-3.1", "MSH-3.2", "MSH-4.1", "MSH-4.2")
    return [name for name in (message.value(field) for field in fields) if name] if message else []


def _unknown(queue: Queue, data: bytes, message: er7.Message | None, names: list[str]) -> Taken:
    """Nothing of it is kept: who is not known must not be able to fill the disk, nor send persons."""
    text = "This sender is not known here: its address, and MSH-3 or MSH-4, must be those of a peer."
    if message is None:
        answer = ack.reject(
            data, LimitReached(text, code=SENDER_UNKNOWN, field="MSH-3"), control_id=new_id()[:20], at=queue.database.clock.now()
        )
    else:
        answer = apply.answered(queue, message, "AR", [Problem("unknown-key", Place("MSH", field=3), text)])
    said = "".join(c for c in "/".join(names) if c.isascii() and (c.isalnum() or c in "/._-"))[:64]
    return Taken("unknown-sender", "AR", (answer,), stranger=said or "-")


def _refused(
    queue: Queue, peer: Hl7Peer, address: str, data: bytes, message: er7.Message | None, answer: bytes, code: str, text: str
) -> Taken:
    kept = keep.described(queue, peer, address, data, message)
    ended = to_text(queue.database.clock.now())
    kept = replace(
        kept,
        state=State.REFUSED,
        attempts=1,
        ended_at=ended,
        code=code,
        condition="unreadable" if message is None else "header",
        text=text[:300],
    )
    keep.keep_refused(queue, kept, data, answer)
    return Taken(kept.event, code, (answer,))
