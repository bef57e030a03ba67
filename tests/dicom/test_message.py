"""Command sets against pydicom's reading of them, and fragments put together again."""

from __future__ import annotations

from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.filereader import read_dataset
from pynetdicom.dsutils import encode as their_encode

from archipel.dicom import message, pdu
from archipel.dicom.message import Command

EXAMPLES = settings(max_examples=150, deadline=None)
numbers = st.integers(0, 65535)
uids = st.from_regex(r"[0-2](\.(0|[1-9][0-9]{0,5})){1,8}", fullmatch=True)
titles = st.text("ABCXYZ0123456789_", min_size=1, max_size=16)
commands = st.builds(
    Command,
    command_field=numbers,
    message_id=st.none() | numbers,
    responded_to=st.none() | numbers,
    affected_class_uid=st.none() | uids,
    requested_instance_uid=st.none() | uids,
    priority=st.none() | numbers,
    move_destination=st.none() | titles,
    has_dataset=st.booleans(),
    status=st.none() | numbers,
    error_comment=st.none() | titles,
    remaining=st.none() | numbers,
    offending_elements=st.lists(st.integers(0, 2**32 - 1), max_size=4).map(tuple),
)


@EXAMPLES
@given(commands)
def test_decoding_gives_back_what_was_encoded(command: Command) -> None:
    assert message.decode_command(message.encode_command(command)) == command


def test_pydicom_reads_our_command_set() -> None:
    command = Command(
        message.C_STORE_RQ, message_id=7, affected_class_uid="1.2.840.10008.5.1.4.1.1.2", affected_instance_uid="1.2.3", priority=0,
        has_dataset=True, move_originator_ae="VIEWER", move_originator_message_id=9,
    )  # fmt: skip
    data = message.encode_command(command)
    ds = read_dataset(BytesIO(data), is_implicit_VR=True, is_little_endian=True)
    assert ds.CommandGroupLength == len(data) - 12
    assert (ds.CommandField, ds.MessageID, ds.Priority) == (1, 7, 0)
    assert (ds.AffectedSOPClassUID, ds.AffectedSOPInstanceUID) == ("1.2.840.10008.5.1.4.1.1.2", "1.2.3")
    assert ds.CommandDataSetType != 0x0101
    assert (ds.MoveOriginatorApplicationEntityTitle, ds.MoveOriginatorMessageID) == ("VIEWER", 9)
    assert [e.tag for e in ds] == sorted(e.tag for e in ds)


def test_command_set_of_another_implementation_is_read() -> None:
    ds = Dataset()
    ds.CommandField, ds.MessageIDBeingRespondedTo, ds.CommandDataSetType, ds.Status = 0x8001, 4, 0x0101, 0xA700
    ds.ErrorComment = "disk full"
    ds.OffendingElement = [0x00080018]
    command = message.decode_command(their_encode(ds, True, True) or b"")
    assert (command.command_field, command.responded_to, command.has_dataset, command.status) == (0x8001, 4, False, 0xA700)
    assert (command.error_comment, command.offending_elements) == ("disk full", (0x00080018,))
    assert command.is_response and command.name == "C-STORE-RSP"


@pytest.mark.parametrize("data", [b"", b"\0" * 7, b"\0\0\0\1\xff\xff\xff\xff", b"\x08\0\x18\0\2\0\0\0ab", b"\0\0\0\1\1\0\0\0x"])
def test_what_is_not_a_command_set_is_refused(data: bytes) -> None:
    with pytest.raises(pdu.PduError):
        message.decode_command(data)


@EXAMPLES
@given(st.binary(max_size=200))
def test_random_bytes_are_a_command_set_or_refused(data: bytes) -> None:
    try:
        message.decode_command(data)
    except pdu.PduError:
        pass


@EXAMPLES
@given(st.lists(st.binary(max_size=300), max_size=8), st.integers(1, 60).map(lambda n: 2 * n))
def test_fragments_put_together_are_the_dataset(chunks: list[bytes], bytes_max: int) -> None:
    whole = b"".join(chunks)
    got, last = bytearray(), []
    for data in message.dataset_pdus(5, chunks, bytes_max):
        kind, length = pdu.read_head(data[:6], 131_072)
        assert (kind, length) == (pdu.P_DATA, len(data) - 6)
        (value,) = pdu.values(memoryview(data)[6:])
        assert (value.context_id, value.is_command) == (5, False)
        assert len(value.data) <= bytes_max and len(value.data) % 2 == 0
        got += value.data
        last.append(value.is_last)
    assert bytes(got) == whole + b"\0" * (len(whole) % 2)
    assert last == [False] * (len(last) - 1) + [True]


@EXAMPLES
@given(commands, st.integers(1, 60).map(lambda n: 2 * n))
def test_fragments_of_a_command_put_together_are_the_command(command: Command, bytes_max: int) -> None:
    data, got, position = message.command_pdus(1, command, bytes_max), bytearray(), 0
    while position < len(data):
        length = pdu.read_head(data[position : position + 6], 131_072)[1]
        (value,) = pdu.values(memoryview(data)[position + 6 : position + 6 + length])
        got += value.data
        position += 6 + length
        assert value.is_command and value.is_last == (position == len(data))
    assert message.decode_command(bytes(got)) == command


def test_peer_length_bounds_what_is_sent() -> None:
    assert message.data_bytes_max(16384) == 16378
    assert message.data_bytes_max(0) == message.PDU_BYTES_MAX - 6
    assert message.data_bytes_max(2**32 - 1) == message.PDU_BYTES_MAX - 6
    with pytest.raises(pdu.PduError):
        message.data_bytes_max(7)


def test_response_cuts_its_comment_to_what_lo_holds() -> None:
    request = Command(message.C_ECHO_RQ, message_id=3, affected_class_uid="1.2.840.10008.1.1")
    answer = message.response_to(request, 0x0110, "x" * 90)
    assert (answer.command_field, answer.responded_to, len(answer.error_comment or "")) == (0x8030, 3, 64)
