"""DIMSE messages: command sets and their fragments (PS3.7 6.3 and Annex E; PS3.8 Annex E)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from archipel.dicom import pdu

C_STORE_RQ, C_GET_RQ, C_FIND_RQ, C_MOVE_RQ, C_ECHO_RQ, C_CANCEL_RQ = 0x0001, 0x0010, 0x0020, 0x0021, 0x0030, 0x0FFF
N_EVENT_REPORT_RQ, N_GET_RQ, N_SET_RQ, N_ACTION_RQ, N_CREATE_RQ, N_DELETE_RQ = 0x0100, 0x0110, 0x0120, 0x0130, 0x0140, 0x0150
RESPONSE = 0x8000

NAMES = {
    C_STORE_RQ: "C-STORE",
    C_GET_RQ: "C-GET",
    C_FIND_RQ: "C-FIND",
    C_MOVE_RQ: "C-MOVE",
    C_ECHO_RQ: "C-ECHO",
    C_CANCEL_RQ: "C-CANCEL",
    N_EVENT_REPORT_RQ: "N-EVENT-REPORT",
    N_GET_RQ: "N-GET",
    N_SET_RQ: "N-SET",
    N_ACTION_RQ: "N-ACTION",
    N_CREATE_RQ: "N-CREATE",
    N_DELETE_RQ: "N-DELETE",
}

COMMAND_BYTES_MAX = 16_384
NO_DATASET = 0x0101
PDU_BYTES_MAX = 131_072  # what we send when the peer takes any length
ERROR_COMMENT_MAX = 64  # LO
PRIORITY_MEDIUM = 0


@dataclass(slots=True)
class Command:
    """A command set (PS3.7 E.1); what is None is not sent."""

    command_field: int
    message_id: int | None = None
    responded_to: int | None = None
    affected_class_uid: str | None = None
    requested_class_uid: str | None = None
    affected_instance_uid: str | None = None
    requested_instance_uid: str | None = None
    priority: int | None = None
    move_destination: str | None = None
    has_dataset: bool = False
    status: int | None = None
    error_comment: str | None = None
    error_id: int | None = None
    event_type: int | None = None
    action_type: int | None = None
    remaining: int | None = None
    completed: int | None = None
    failed: int | None = None
    warned: int | None = None
    move_originator_ae: str | None = None
    move_originator_message_id: int | None = None
    offending_elements: tuple[int, ...] = field(default=())

    @property
    def is_response(self) -> bool:
        """Whether this answers one of ours."""
        return bool(self.command_field & RESPONSE)

    @property
    def name(self) -> str:
        """The operation in the standard's words, for the log."""
        return NAMES.get(self.command_field & ~RESPONSE, f"{self.command_field:04X}H") + ("-RSP" if self.is_response else "")


# Element number in group 0000, attribute of Command, VR. PS3.7 Table E.1-1, in the order of tags.
_ELEMENTS: tuple[tuple[int, str, str], ...] = (
    (0x0002, "affected_class_uid", "UI"),
    (0x0003, "requested_class_uid", "UI"),
    (0x0100, "command_field", "US"),
    (0x0110, "message_id", "US"),
    (0x0120, "responded_to", "US"),
    (0x0600, "move_destination", "AE"),
    (0x0700, "priority", "US"),
    (0x0800, "has_dataset", "DS"),  # Command Data Set Type
    (0x0900, "status", "US"),
    (0x0901, "offending_elements", "AT"),
    (0x0902, "error_comment", "LO"),
    (0x0903, "error_id", "US"),
    (0x1000, "affected_instance_uid", "UI"),
    (0x1001, "requested_instance_uid", "UI"),
    (0x1002, "event_type", "US"),
    (0x1008, "action_type", "US"),
    (0x1020, "remaining", "US"),
    (0x1021, "completed", "US"),
    (0x1022, "failed", "US"),
    (0x1023, "warned", "US"),
    (0x1030, "move_originator_ae", "AE"),
    (0x1031, "move_originator_message_id", "US"),
)
_BY_ELEMENT = {element: (attribute, vr) for element, attribute, vr in _ELEMENTS}
_ELEMENT_HEAD = struct.Struct("<HHL")
_US = struct.Struct("<H")


def encode_command(command: Command) -> bytes:
    """A command set in implicit VR little endian with its group length."""
    parts = []
    for element, attribute, vr in _ELEMENTS:
        value = getattr(command, attribute)
        if value is None or value == ():
            continue
        encoded = _encode_value(vr, value)
        parts.append(_ELEMENT_HEAD.pack(0, element, len(encoded)) + encoded)
    body = b"".join(parts)
    return _ELEMENT_HEAD.pack(0, 0, 4) + struct.pack("<L", len(body)) + body


def decode_command(data: bytes) -> Command:
    """The command set in these bytes; raises ``PduError`` when it is not one. Group length and retired elements are skipped."""
    fields: dict[str, object] = {}
    position = 0
    while position < len(data):
        if len(data) - position < _ELEMENT_HEAD.size:
            raise _bad("command set ends inside an element")
        group, element, length = _ELEMENT_HEAD.unpack_from(data, position)
        start, position = position + _ELEMENT_HEAD.size, position + _ELEMENT_HEAD.size + length
        if group or position > len(data):
            raise _bad(f"command set has element ({group:04X},{element:04X}) of {length} bytes")
        known = _BY_ELEMENT.get(element)
        if known:
            fields[known[0]] = _decode_value(known[1], data[start:position])
    if fields.get("command_field") is None:
        raise _bad("command set has no Command Field")
    return Command(**fields)  # type: ignore[arg-type]


def _bad(why: str) -> pdu.PduError:
    return pdu.PduError(why, abort_reason=6, code="bad-command")


def _encode_value(vr: str, value: object) -> bytes:
    if vr == "DS":
        return _US.pack(0x0001 if value else NO_DATASET)
    if vr == "US":
        return _US.pack(int(value))  # type: ignore[call-overload]
    if vr == "AT":
        return b"".join(struct.pack("<HH", tag >> 16, tag & 0xFFFF) for tag in value)  # type: ignore[attr-defined]
    encoded = str(value).encode("ascii", "replace")
    return encoded + (b"\0" if vr == "UI" else b" ") * (len(encoded) % 2)


def _decode_value(vr: str, value: bytes) -> object:
    if vr in ("US", "DS"):
        if len(value) < 2:
            return False if vr == "DS" else None
        number = _US.unpack_from(value)[0]
        return number != NO_DATASET if vr == "DS" else number
    if vr == "AT":
        return tuple(g << 16 | e for g, e in struct.iter_unpack("<HH", value[: len(value) // 4 * 4]))
    return value.decode("latin-1").strip(" \0")


def response_to(request: Command, status: int, comment: str = "", **fields: object) -> Command:
    """The response to a request: same SOP class and instance, its message id, a comment cut to the 64 characters of LO."""
    return Command(
        command_field=request.command_field | RESPONSE,
        responded_to=request.message_id,
        affected_class_uid=request.affected_class_uid or request.requested_class_uid,
        affected_instance_uid=request.affected_instance_uid or request.requested_instance_uid,
        status=status,
        error_comment=comment[:ERROR_COMMENT_MAX] or None,
        **fields,  # type: ignore[arg-type]
    )


def data_bytes_max(peer_length_max_bytes: int) -> int:
    """How many bytes of data one P-DATA-TF to this peer may carry: even, and never more than our own bound."""
    limit = min(peer_length_max_bytes or PDU_BYTES_MAX, PDU_BYTES_MAX)
    if limit < pdu.PDV_HEAD_BYTES + 2:
        raise pdu.PduError(f"the peer takes PDUs of {peer_length_max_bytes} bytes, which cannot carry data", abort_reason=6)
    return (limit - pdu.PDV_HEAD_BYTES) // 2 * 2


def command_pdus(context_id: int, command: Command, bytes_max: int) -> bytes:
    """The P-DATA-TF PDUs of a command set, joined: commands are short."""
    data = encode_command(command)
    chunks = [data[start : start + bytes_max] for start in range(0, len(data), bytes_max)]
    return b"".join(pdu.data_head(context_id, True, chunk is chunks[-1], len(chunk)) + chunk for chunk in chunks)


class Fragments:
    """Cuts a dataset that comes in chunks of any size into P-DATA-TF PDUs of at most ``bytes_max`` data each.

    Holds one chunk and one PDU. Each fragment is even; an odd end gets the NUL that PS3.5 A.5 asks of a deflated dataset.
    """

    def __init__(self, context_id: int, bytes_max: int) -> None:
        self._context_id = context_id
        self._bytes_max = bytes_max
        self._held = b""

    def add(self, chunk: bytes) -> Iterator[bytes]:
        """The PDUs that are full with this chunk; what is left is held, for the last one must say so."""
        data = memoryview(self._held + chunk if self._held else chunk)
        position, end = 0, len(data)
        while end - position > self._bytes_max:
            part = data[position : position + self._bytes_max]
            position += self._bytes_max
            yield pdu.data_head(self._context_id, False, False, len(part)) + part
        self._held = bytes(data[position:])

    def end(self) -> bytes:
        """The last PDU."""
        held = self._held + b"\0" * (len(self._held) % 2)
        return pdu.data_head(self._context_id, False, True, len(held)) + held


def dataset_pdus(context_id: int, chunks: Iterable[bytes], bytes_max: int) -> Iterator[bytes]:
    """A dataset as P-DATA-TF PDUs, whatever the sizes in which it comes."""
    fragments = Fragments(context_id, bytes_max)
    for chunk in chunks:
        yield from fragments.add(chunk)
    yield fragments.end()
