"""Instances in another transfer syntax than they are stored in."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from archipel import archive
from archipel.dicom import part10, transcode, uids
from archipel.dicomweb.parts import Parts
from archipel.dicomweb.stored import StoredDataset
from archipel.kit.blobs import CHUNK_BYTES
from archipel.kit.scratch import Scratch, temporary

IN_MEMORY_BYTES_MAX = 4 << 20


def file_in(parts: Parts, ref: archive.InstanceRef, transfer_syntax_uid: str) -> Iterator[bytes]:
    """The Part 10 file in the transfer syntax; as stored it is byte for byte what was received. Raises Invalid before the first byte."""
    if transfer_syntax_uid == ref.transfer_syntax_uid:
        yield from archive.part10(parts.blobs, ref)
        return
    meta = part10.file_meta_bytes(ref.sop_class_uid, ref.sop_instance_uid, transfer_syntax_uid, ref.source_ae)
    if ref.transfer_syntax_uid in uids.NATIVE and transfer_syntax_uid in uids.NATIVE:
        yield from _rewritten(parts, ref, transfer_syntax_uid, meta)
        return
    with tempfile.TemporaryDirectory(dir=parts.spool.folder) as folder:
        source, made = Scratch(Path(folder, "stored")), Scratch(Path(folder, "made"))
        with source.open("wb") as out:
            for chunk in archive.dataset(parts.blobs, ref):
                out.write(chunk)
        parts.pixels.transcode(source, ref.transfer_syntax_uid, transfer_syntax_uid, made)
        source.unlink()
        yield meta
        yield from _chunks(made.open())


def _rewritten(parts: Parts, ref: archive.InstanceRef, to: str, meta: bytes) -> Iterator[bytes]:
    """Uncompressed forms need no codec: they are rewritten here."""
    with temporary(IN_MEMORY_BYTES_MAX, parts.spool.folder) as out:
        source = cast(BinaryIO, StoredDataset(parts.blobs, ref))
        transcode.transcode(source, ref.transfer_syntax_uid, to, out)
        out.seek(0)
        yield meta
        while chunk := out.read(CHUNK_BYTES):
            yield chunk


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
