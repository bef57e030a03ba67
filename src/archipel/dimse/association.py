"""One open association as its services see it: messages in, messages out, cancels, counts (PS3.7 and PS3.8 Annex E)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from archipel.dicom import message, pdu
from archipel.dicom.message import Command
from archipel.dimse.negotiation import Context, Negotiated, Query
from archipel.dimse.settings import DimseSettings
from archipel.dimse.wire import PeerGone, Wire
from archipel.kit.actor import Actor
from archipel.kit.errors import ArchipelError


class Released(Exception):
    """The peer asked to release the association."""


class PeerAborted(PeerGone):
    """The peer aborted the association."""


@dataclass(frozen=True, slots=True)
class OpenAssociation:
    """An association as the system page shows it."""

    id: str
    calling_aet: str
    address: str
    since: datetime
    received_count: int
    sent_count: int
    bytes: int


class Association:
    """The acceptor's end of one association, after negotiation.

    One message is under way at a time. While a service works it calls ``poll`` (or ``response``), which takes what has arrived meanwhile:
    C-CANCEL is noted in ``cancelled``; one further request is put by and read by the next ``receive``.
    """

    def __init__(
        self,
        *,
        id: str,
        wire: Wire,
        request: pdu.AssociateRequest,
        negotiated: Negotiated,
        device: Any,
        since: datetime,
        settings: DimseSettings,
    ) -> None:
        self.id = id
        self.wire = wire
        self.device = device
        self.calling_ae = request.calling_ae
        self.called_ae = request.called_ae
        self.address = wire.address
        self.since = since
        self.accept = negotiated.accept
        self.contexts = negotiated.contexts
        self.received_count = 0
        self.sent_count = 0
        self.failed_count = 0
        self.cancelled: set[int] = set()
        self.is_idle = True
        self.refuses_work = False
        self.actor = Actor("device", self.calling_ae, name=self.calling_ae, site_id=device.site_id, address=wire.address)
        self._queries = negotiated.queries
        self._settings = settings
        self._bytes_max = message.data_bytes_max(request.user.length_max_bytes)
        self._values: Iterator[pdu.Value] = iter(())
        self._command = bytearray()
        self._command_context = 0
        self._put_by: tuple[Context, Command] | None = None
        self._put_by_end: Exception | None = None
        self._dataset_due: int | None = None
        self._deadline = 0.0
        self._message_id = 0

    # --- receiving --------------------------------------------------------------------------------------------------------------

    async def receive(self) -> tuple[Context, Command]:
        """The next request, its dataset still to be read. Raises ``Released``, ``PeerGone``, or ``PduError`` for a broken peer."""
        if self._put_by_end is not None:
            raise self._put_by_end
        if self._put_by is not None:
            put_by, self._put_by = self._put_by, None
            return self._begun(*put_by)
        self.is_idle = not self._command
        while True:
            context, command = await self._next_command()
            if command.command_field == message.C_CANCEL_RQ:
                continue  # too late: the operation has ended (PS3.7 9.3.2.3)
            if command.is_response:
                raise pdu.PduError(f"{command.name} to nothing that was asked", abort_reason=2)
            self.is_idle = False
            return self._begun(context, command)

    async def dataset(self) -> AsyncIterator[memoryview]:
        """The fragments of the dataset that goes with the command just received, to its end; each is a view until the next."""
        while self._dataset_due is not None:
            value = await self._next_value(self._settings.stall_s)
            if value.is_command or value.context_id != self._dataset_due:
                raise pdu.PduError("a fragment of something else within a dataset", abort_reason=2)
            if value.is_last:
                self._dataset_due = None
            yield value.data

    async def whole_dataset(self) -> bytes | None:
        """The dataset of a short message, or None when it is longer than an identifier may be (it is read to its end all the same)."""
        data, fits = bytearray(), True
        async for fragment in self.dataset():
            fits = fits and len(data) + len(fragment) <= self._settings.identifier_bytes_max
            if fits:
                data += fragment
        return bytes(data) if fits else None

    async def skip_dataset(self) -> None:
        """Read the dataset and keep nothing of it."""
        async for _ in self.dataset():
            pass

    def poll(self) -> None:
        """Take what has arrived while an operation is under way, without waiting."""
        while self._put_by is None and self._put_by_end is None:
            value = self._ready_value()
            if value is None:
                break
            whole = self._add_to_command(value)
            if whole is not None:
                self._meanwhile(*whole)
        if self.wire.is_gone and self._put_by_end is None and self._put_by is None:
            raise PeerGone("the peer left during an operation")

    def is_cancelled(self, command: Command) -> bool:
        """Whether the peer has asked to cancel this operation; looks at what has arrived."""
        self.poll()
        return command.message_id in self.cancelled

    async def response(self, message_id: int, seconds: float) -> Command:
        """The peer's response to a request of ours; cancels are noted on the way."""
        while True:
            _, command = await self._next_command(seconds)
            if command.command_field == message.C_CANCEL_RQ:
                self._note_cancel(command)
                continue
            if not command.is_response or command.responded_to != message_id:
                raise pdu.PduError(f"{command.name} where the response to message {message_id} is due", abort_reason=2)
            self._dataset_due = self._command_context if command.has_dataset else None
            await self.skip_dataset()
            return command

    # --- sending ----------------------------------------------------------------------------------------------------------------

    async def answer(self, context: Context, request: Command, status: int, comment: str = "", **fields: Any) -> None:
        """Send a response without dataset."""
        response = message.response_to(request, status, comment, **fields)
        await self.wire.write(message.command_pdus(context.id, response, self._bytes_max), self._settings.stall_s)

    async def answer_with(self, context: Context, request: Command, status: int, dataset: bytes, comment: str = "", **fields: Any) -> None:
        """Send a response with a dataset in the context's transfer syntax."""
        response = message.response_to(request, status, comment, has_dataset=True, **fields)
        data = message.command_pdus(context.id, response, self._bytes_max)
        await self.wire.write(data + b"".join(message.dataset_pdus(context.id, [dataset], self._bytes_max)), self._settings.stall_s)

    async def send(self, context: Context, command: Command, dataset: bytes) -> None:
        """Send a request of ours with a short dataset."""
        data = message.command_pdus(context.id, command, self._bytes_max)
        await self.wire.write(data + b"".join(message.dataset_pdus(context.id, [dataset], self._bytes_max)), self._settings.stall_s)

    async def request(self, context: Context, command: Command, chunks: AsyncIterator[bytes]) -> None:
        """Send a request of ours with its dataset, in chunks of any size."""
        await self.wire.write(message.command_pdus(context.id, command, self._bytes_max), self._settings.stall_s)
        fragments = message.Fragments(context.id, self._bytes_max)
        try:
            async for chunk in chunks:
                for data in fragments.add(chunk):
                    await self.wire.write(data, self._settings.stall_s)
        except ArchipelError as error:  # half a dataset cannot be taken back
            raise self.wire.give_up(f"the instance could not be read to its end: {error}") from error
        await self.wire.write(fragments.end(), self._settings.stall_s)

    def next_message_id(self) -> int:
        """A message id for a request of ours."""
        self._message_id = self._message_id % 65535 + 1
        return self._message_id

    # --- facts ------------------------------------------------------------------------------------------------------------------

    def query(self, model_uid: str) -> Query:
        """What was agreed on queries of this model."""
        return self._queries.get(model_uid, Query())

    def facts(self) -> OpenAssociation:
        """A snapshot for people."""
        total = self.wire.received_bytes + self.wire.sent_bytes
        return OpenAssociation(self.id, self.calling_ae, self.address, self.since, self.received_count, self.sent_count, total)

    # --- inside -----------------------------------------------------------------------------------------------------------------

    def _begun(self, context: Context, command: Command) -> tuple[Context, Command]:
        self._dataset_due = context.id if command.has_dataset else None
        self._deadline = asyncio.get_running_loop().time() + self._settings.message_s
        self.cancelled.clear()
        return context, command

    async def _next_command(self, first_byte_s: float | None = None) -> tuple[Context, Command]:
        wait_s = self._settings.idle_s if first_byte_s is None else first_byte_s
        while True:
            value = await self._next_value(self._settings.stall_s if self._command else wait_s)
            whole = self._add_to_command(value)
            if whole is not None:
                return whole

    def _add_to_command(self, value: pdu.Value) -> tuple[Context, Command] | None:
        if not value.is_command or (self._command and value.context_id != self._command_context):
            raise pdu.PduError("a fragment of something else where a command set is due", abort_reason=2)
        if len(self._command) + len(value.data) > message.COMMAND_BYTES_MAX:
            raise pdu.PduError(f"a command set of more than {message.COMMAND_BYTES_MAX} bytes", abort_reason=6)
        context = self.contexts.get(value.context_id)
        if context is None:
            raise pdu.PduError(f"data on presentation context {value.context_id}, which was not accepted", abort_reason=6)
        self._command_context = value.context_id
        self._command += value.data
        if not value.is_last:
            return None
        data, self._command = bytes(self._command), bytearray()
        return context, message.decode_command(data)

    def _meanwhile(self, context: Context, command: Command) -> None:
        if command.command_field == message.C_CANCEL_RQ:
            self._note_cancel(command)
        elif command.is_response:
            raise pdu.PduError(f"{command.name} to nothing that was asked", abort_reason=2)
        else:
            self._put_by = context, command

    def _note_cancel(self, command: Command) -> None:
        if command.responded_to is not None and len(self.cancelled) < 16:
            self.cancelled.add(command.responded_to)

    async def _next_value(self, first_byte_s: float) -> pdu.Value:
        while True:
            for value in self._values:
                return value
            if self._dataset_due is not None and asyncio.get_running_loop().time() > self._deadline:
                raise self.wire.give_up(f"the message took more than {self._settings.message_s:g} s")
            kind, body = await self.wire.read_pdu(first_byte_s, self._settings.stall_s)
            self._values = self._data(kind, body)

    def _ready_value(self) -> pdu.Value | None:
        while True:
            for value in self._values:
                return value
            ready = self.wire.take_pdu()
            if ready is None:
                return None
            try:
                self._values = self._data(*ready)
            except Released as end:  # after the operation, not in the middle of it
                self._put_by_end = end
                return None

    @staticmethod
    def _data(kind: int, body: memoryview) -> Iterator[pdu.Value]:
        if kind == pdu.P_DATA:
            return pdu.values(body)
        end = pdu.decode(kind, body)
        if isinstance(end, pdu.ReleaseRequest):
            raise Released
        if isinstance(end, pdu.Abort):
            raise PeerAborted(f"the peer aborted (source {end.source}, reason {end.reason})")
        raise pdu.PduError(f"{pdu.NAMES[kind]} on an established association", abort_reason=2)
