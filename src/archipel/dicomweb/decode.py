"""Pixels that need a codec or a renderer: asked of the child processes, never decoded here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

from archipel import archive
from archipel.dicom import uids
from archipel.dicom.render import Rendered, RenderRequest
from archipel.dicomweb.parts import Parts
from archipel.dicomweb.stored import dataset_chunks
from archipel.dicomweb.tables import Table, table_of
from archipel.kit.errors import ArchipelError
from archipel.kit.ids import new_id
from archipel.kit.scratch import Scratch

BATCH_COUNT_MAX = 8
BATCH_BYTES_MAX = 32 << 20
IN_MEMORY_BYTES_MAX = 4 << 20
_ITEM = b"\xfe\xff\x00\xe0"
_SEQUENCE_END = b"\xfe\xff\xdd\xe0\0\0\0\0"


def decoded(parts: Parts, ref: archive.InstanceRef, wanted: Sequence[int], transfer_syntax_uid: str) -> Iterator[bytes]:
    """The frames (numbers from 1) in another transfer syntax than they are stored in, a few at a time. Raises Invalid."""
    table = table_of(parts, ref)
    step = max(1, min(BATCH_COUNT_MAX, BATCH_BYTES_MAX // max(1, table.frame_bytes)))
    for start in range(0, len(wanted), step):
        some = list(wanted[start : start + step])
        with readable(parts, ref, some, table) as source:
            yield from parts.pixels.frames(source, ref.transfer_syntax_uid, transfer_syntax_uid, some).frames


def render(parts: Parts, ref: archive.InstanceRef, asked: RenderRequest) -> Rendered:
    """The instance as it is shown. Raises Invalid."""
    table = None
    if ref.pixel_data_offset is not None and not uids.is_video(ref.transfer_syntax_uid):
        try:
            table = table_of(parts, ref)
        except ArchipelError:  # the renderer says what is wrong, or draws what it can
            table = None
    wanted = [asked.frame_number] if asked.frame_number else []
    with readable(parts, ref, wanted, table) as source:
        return parts.pixels.render(source, ref.transfer_syntax_uid, asked)


@contextmanager
def readable(parts: Parts, ref: archive.InstanceRef, wanted: Sequence[int], table: Table | None) -> Iterator[bytes | Scratch]:
    """The dataset for a child process: its bytes while it is small, else a file in which only the wanted frames are filled in
    (all when none is named or their places are not known)."""
    if ref.dataset_length_bytes <= IN_MEMORY_BYTES_MAX:
        yield b"".join(archive.dataset(parts.blobs, ref))
        return
    made = Scratch(parts.spool.folder / new_id())
    try:
        with made.open("xb") as file:
            if table is None or not table.ranges or not wanted:
                file.writelines(archive.dataset(parts.blobs, ref))
            else:
                _fill(parts, ref, wanted, table, file)
        yield made
    finally:
        made.unlink(missing_ok=True)


def _fill(parts: Parts, ref: archive.InstanceRef, wanted: Sequence[int], table: Table, file: BinaryIO) -> None:
    """Header, the heads of all fragments and the wanted frames at their places, and what follows; the rest stays a hole."""
    encapsulated = uids.is_encapsulated(ref.transfer_syntax_uid)
    start = min(ranges[0][0] for ranges in table.ranges)
    for chunk in dataset_chunks(parts.blobs, ref, [(0, start)]):
        file.write(chunk)
    if encapsulated:
        end = start
        for ranges in table.ranges:
            for offset, length in ranges:
                file.seek(offset - 8)
                file.write(_ITEM + length.to_bytes(4, "little"))
                end = max(end, offset + length)
        file.seek(end)
        file.write(_SEQUENCE_END)
        file.truncate()
    else:
        end = max(offset + length for ranges in table.ranges for offset, length in ranges)
        file.seek(end)
        file.writelines(dataset_chunks(parts.blobs, ref, [(end, ref.dataset_length_bytes - end)]))
    for number in wanted:
        for offset, length in table.ranges[number - 1] if number <= len(table.ranges) else ():
            file.seek(offset)
            for chunk in dataset_chunks(parts.blobs, ref, [(offset, length)]):
                file.write(chunk)
