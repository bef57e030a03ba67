"""The requesting end of an association: echo, store, find, move and storage-commitment results over a blocking socket.

PS3.8 7 and 9.2 (upper layer), PS3.7 9 and 10 (DIMSE). Every wait is bounded: connecting, the acceptance (ARTIM), and each response.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType

from archipel.dicom import message, pdu, sop_classes, status, uids
from archipel.dicom.message import Command
from archipel.dicom.scu_link import Limits, Link, Peer
from archipel.kit.errors import Invalid, Unavailable

__all__ = ["Answer", "Association", "Limits", "Peer"]

DATASET_BYTES_MAX = 64 << 20  # of an answer's dataset: identifiers, not instances

# What a rejection means to the person who configures the peer, by (source, reason); PS3.8 Table 9-21.
_REJECTIONS = {
    (1, 1): "no reason given",
    (1, 2): "it does not know DICOM's application context",
    (1, 3): "it does not know our AE title",
    (1, 7): "it is not called by the AE title that we used",
    (2, 1): "no reason given",
    (2, 2): "it does not know our protocol version",
    (3, 1): "it is congested for now",
    (3, 2): "it has reached its limit of associations",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """The peer's response: its status, its comment, and the dataset when there is one."""

    command: Command
    dataset: bytes = b""
    transfer_syntax_uid: str = ""

    @property
    def status(self) -> int:
        """The DIMSE status; a response without one counts as a processing failure."""
        return status.PROCESSING_FAILURE if self.command.status is None else self.command.status

    @property
    def comment(self) -> str:
        """The peer's error comment."""
        return self.command.error_comment or ""


class Association:
    """One association that we ask for; a context manager that releases it, or aborts it when the block fails.

    ``offers`` are (abstract syntax, transfer syntaxes) in order of wish, at most 128; ``roles`` as in role selection.
    Raises ``Unavailable`` (``no-connection``, ``rejected``, ``timeout``, ``aborted``) with a reason that a technician understands.
    """

    def __init__(
        self,
        peer: Peer,
        offers: Sequence[tuple[str, Sequence[str]]],
        *,
        roles: Iterable[pdu.RoleSelection] = (),
        extended: Iterable[pdu.ExtendedNegotiation] = (),
        limits: Limits | None = None,
    ) -> None:
        if not 0 < len(offers) <= 128:
            raise Invalid(f"An association proposes 1 to 128 presentation contexts, not {len(offers)}.", code="contexts")
        self.peer = peer
        self.limits = limits or Limits()
        self.contexts: dict[int, tuple[str, str]] = {}
        self.roles: dict[str, pdu.RoleSelection] = {}
        self._proposed = tuple(pdu.ProposedContext(2 * i + 1, a, tuple(t)) for i, (a, t) in enumerate(offers))
        self._user = pdu.UserInformation(
            self.limits.length_max_bytes,
            uids.IMPLEMENTATION_CLASS_UID,
            uids.IMPLEMENTATION_VERSION_NAME,
            roles=tuple(roles),
            extended=tuple(extended),
        )
        self._message_id = 0
        self._values: Iterator[pdu.Value] = iter(())
        self._link = Link(peer, self.limits)
        self._bytes_max = 0

    # --- life -------------------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Association:
        self.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.release()
        else:
            self.abort()

    def open(self) -> None:
        """Connect and negotiate."""
        self._link.open()
        request = pdu.AssociateRequest(self.peer.called_ae, self.peer.calling_ae, self._proposed, self._user)
        try:
            self._link.send(pdu.encode(request))
            self._negotiated(self._link.read_pdu(self.limits.artim_s))
        except BaseException:
            self.abort()
            raise

    def release(self) -> None:
        """End in order: A-RELEASE, then close; a peer that does not answer is left."""
        if not self.is_open:
            return
        with contextlib.suppress(Unavailable, pdu.PduError):
            self._link.send(pdu.encode(pdu.ReleaseRequest()))
            self._link.read_pdu(self.limits.artim_s)
        self._link.close()

    def abort(self) -> None:
        """End at once."""
        self._link.abort()

    @property
    def is_open(self) -> bool:
        """Whether messages can still be exchanged."""
        return self._link.is_open

    def _negotiated(self, answer: pdu.Pdu) -> None:
        if isinstance(answer, pdu.AssociateReject):
            reason = _REJECTIONS.get((answer.source, answer.reason), f"source {answer.source}, reason {answer.reason}")
            self._link.close()
            raise Unavailable(f"{self._link.name} rejects the association: {reason}.", code="rejected")
        if not isinstance(answer, pdu.AssociateAccept):
            raise self._link.broken(f"{type(answer).__name__} in answer to a request for an association")
        proposed = {context.id: context.abstract_syntax for context in self._proposed}
        self.contexts = {c.id: (proposed[c.id], c.transfer_syntax) for c in answer.contexts if c.result == 0 and c.id in proposed}
        self.roles = {role.sop_class_uid: role for role in answer.user.roles}
        self._bytes_max = message.data_bytes_max(answer.user.length_max_bytes)

    def accepts(self, abstract_syntax: str) -> tuple[str, ...]:
        """The transfer syntaxes in which the peer takes this SOP class."""
        return tuple(syntax for abstract, syntax in self.contexts.values() if abstract == abstract_syntax)

    # --- services ---------------------------------------------------------------------------------------------------------------

    def echo(self) -> Answer:
        """C-ECHO (PS3.7 9.1.5)."""
        uid = sop_classes.VERIFICATION
        return self._ask(self._context(uid), Command(message.C_ECHO_RQ, message_id=self._next_id(), affected_class_uid=uid))

    def store(
        self,
        sop_class_uid: str,
        sop_instance_uid: str,
        transfer_syntax_uid: str,
        chunks: Iterable[bytes],
        *,
        originator: tuple[str, int] | None = None,
    ) -> Answer:
        """C-STORE (PS3.7 9.1.1) of a dataset in the given syntax, in chunks of any size; one of them is held at a time.

        ``originator`` is the (AE title, message id) of the C-MOVE that this serves. Raises ``Invalid`` (``no-context``) when the
        peer did not accept the class in that syntax.
        """
        context_id = self._context(sop_class_uid, transfer_syntax_uid)
        ae, message_id = originator or (None, None)
        command = Command(
            message.C_STORE_RQ,
            message_id=self._next_id(),
            affected_class_uid=sop_class_uid,
            affected_instance_uid=sop_instance_uid,
            priority=message.PRIORITY_MEDIUM,
            has_dataset=True,
            move_originator_ae=ae,
            move_originator_message_id=message_id,
        )
        return self._ask(context_id, command, chunks)

    def find(self, model_uid: str, identifier: bytes, transfer_syntax_uid: str) -> Iterator[Answer]:
        """C-FIND (PS3.7 9.1.2): each response as it comes, the last one final. The identifier is a dataset in that syntax."""
        command = Command(message.C_FIND_RQ, message_id=self._next_id(), affected_class_uid=model_uid, priority=0, has_dataset=True)
        yield from self._ask_many(self._context(model_uid, transfer_syntax_uid), command, identifier)

    def move(self, model_uid: str, identifier: bytes, transfer_syntax_uid: str, destination: str) -> Iterator[Answer]:
        """C-MOVE (PS3.7 9.1.4) to an AE title: each response as it comes, the last one final."""
        command = Command(
            message.C_MOVE_RQ,
            message_id=self._next_id(),
            affected_class_uid=model_uid,
            priority=0,
            move_destination=destination,
            has_dataset=True,
        )
        yield from self._ask_many(self._context(model_uid, transfer_syntax_uid), command, identifier)

    def n_event_report(self, class_uid: str, instance_uid: str, event_type: int, dataset: bytes) -> Answer:
        """N-EVENT-REPORT (PS3.7 10.1.1); the roles must have been reversed when the association was asked for."""
        command = Command(
            message.N_EVENT_REPORT_RQ,
            message_id=self._next_id(),
            affected_class_uid=class_uid,
            affected_instance_uid=instance_uid,
            event_type=event_type,
            has_dataset=True,
        )
        return self._ask(self._context(class_uid), command, [dataset])

    def cancel(self, model_uid: str, message_id: int | None = None) -> None:
        """C-CANCEL of the operation under way (PS3.7 9.3.2.3); its final response still comes."""
        command = Command(message.C_CANCEL_RQ, responded_to=message_id or self._message_id)
        self._link.send(message.command_pdus(self._context(model_uid), command, self._bytes_max))

    def transfer_syntax(self, abstract_syntax: str) -> str:
        """The transfer syntax in which datasets of this SOP class go; raises ``Invalid`` when it was not accepted."""
        return self.contexts[self._context(abstract_syntax)][1]

    # --- messages ---------------------------------------------------------------------------------------------------------------

    def _next_id(self) -> int:
        self._message_id = self._message_id % 65535 + 1
        return self._message_id

    def _context(self, abstract_syntax: str, transfer_syntax: str | None = None) -> int:
        for context_id, (abstract, syntax) in self.contexts.items():
            if abstract == abstract_syntax and transfer_syntax in (None, syntax):
                return context_id
        asked = f"{abstract_syntax} in {transfer_syntax}" if transfer_syntax else abstract_syntax
        raise Invalid(f"{self.peer.called_ae} does not take {asked}.", code="no-context")

    def _ask(self, context_id: int, command: Command, chunks: Iterable[bytes] | None = None) -> Answer:
        self._send_message(context_id, command, chunks)
        return self._response(command)

    def _ask_many(self, context_id: int, command: Command, identifier: bytes) -> Iterator[Answer]:
        self._send_message(context_id, command, [identifier])
        while True:
            answer = self._response(command)
            yield answer
            if status.category(answer.status) is not status.Category.PENDING:
                return

    def _send_message(self, context_id: int, command: Command, chunks: Iterable[bytes] | None) -> None:
        self._link.send(message.command_pdus(context_id, command, self._bytes_max))
        if chunks is not None:
            for data in message.dataset_pdus(context_id, chunks, self._bytes_max):
                self._link.send(data)

    def _response(self, request: Command) -> Answer:
        context_id, command = self._read_command()
        if not command.is_response or command.responded_to != request.message_id:
            self.abort()
            raise Unavailable(f"{self._link.name} answered {command.name} to {request.name}.", code="aborted")
        dataset = self._read_dataset() if command.has_dataset else b""
        return Answer(command, dataset, self.contexts.get(context_id, ("", ""))[1])

    def _read_command(self) -> tuple[int, Command]:
        data, value = bytearray(), self._next_value()
        while True:
            if not value.is_command or len(data) + len(value.data) > message.COMMAND_BYTES_MAX:
                raise self._link.broken("a dataset or too long a command set where a command set is due")
            data += value.data
            if value.is_last:
                return value.context_id, message.decode_command(bytes(data))
            value = self._next_value()

    def _read_dataset(self) -> bytes:
        data = bytearray()
        while True:
            value = self._next_value()
            if value.is_command or len(data) + len(value.data) > DATASET_BYTES_MAX:
                raise self._link.broken("a command set or too long a dataset where a dataset is due")
            data += value.data
            if value.is_last:
                return bytes(data)

    def _next_value(self) -> pdu.Value:
        while True:
            for value in self._values:
                return value
            self._values = self._link.read_data()
