"""Retrieve: find stored instances and give back their bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from archipel.archive import packing, rows, rows_instances, sealed_object
from archipel.archive.headers import KeptHeaders, kept_headers
from archipel.archive.model import InstanceRef
from archipel.kit.blobs import CHUNK_BYTES, Blobs
from archipel.kit.database import Tx
from archipel.kit.scope import Scope


def locate(
    tx: Tx,
    scope: Scope,
    *,
    study_uid: str | Sequence[str] | None = None,
    series_uid: str | Sequence[str] | None = None,
    sop_instance_uid: str | Sequence[str] | None = None,
    patient: tuple[str, str] | None = None,
    include_rejected: bool = False,
) -> list[InstanceRef]:
    """The instances that the scope shows and that meet all that is given (a UID or several), by series and instance number.

    ``patient`` is (Patient ID, issuer); an empty issuer means any. At least one condition must be given.
    """
    if not any((study_uid, series_uid, sop_instance_uid, patient)):
        raise ValueError("locate needs a condition")
    found: list[InstanceRef] = []
    for some in rows.chunks(_several(sop_instance_uid)) if sop_instance_uid else [[]]:
        found += rows_instances.refs(
            tx, scope, study_uids=_several(study_uid), series_uids=_several(series_uid), sop_instance_uids=some,
            patient_keys=[patient] if patient else (), include_rejected=include_rejected,
        )  # fmt: skip
    return found


def part10(blobs: Blobs, ref: InstanceRef, start: int = 0, length: int | None = None, *, chunk_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
    """The Part 10 file, or ``length`` bytes of it from ``start``, in chunks."""
    return packing.stream(blobs, ref.place, start, ref.length_bytes - start if length is None else length, chunk_bytes)


def dataset(blobs: Blobs, ref: InstanceRef, *, chunk_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
    """The dataset as it was sent, in chunks, without preamble and file meta."""
    return packing.stream(blobs, ref.place, ref.dataset_offset, ref.dataset_length_bytes, chunk_bytes)


def codestream(blobs: Blobs, ref: InstanceRef, number: int) -> bytes | None:
    """A frame (from 0) in lossless HTJ2K, when that is how it is stored though it was received uncompressed; else None."""
    return packing.codestream(blobs, ref.place, number)


def codestream_lengths(ref: InstanceRef) -> tuple[int, ...]:
    """Bytes of each frame as ``codestream`` gives it; empty unless it gives every one."""
    return packing.codestream_lengths(ref.place)


def stored_end(ref: InstanceRef) -> int:
    """Where the instance ends in its object."""
    return ref.offset + packing.stored_bytes(ref.place)


def dataset_range(blobs: Blobs, ref: InstanceRef, offset: int, length: int) -> bytes:
    """``length`` bytes of the dataset from ``offset``, never past its end."""
    length = max(0, min(length, ref.dataset_length_bytes - offset))
    return packing.get(blobs, ref.place, ref.dataset_offset + offset, length)


def headers_of(blobs: Blobs, refs: Sequence[InstanceRef]) -> KeptHeaders | None:
    """The headers of instances as sealing has kept them, when these are all that one object holds, in its order; else None."""
    key = refs[0].blob_key
    if not key.startswith(sealed_object.SEALED_FOLDER + "/") or any(ref.blob_key != key for ref in refs):
        return None
    return kept_headers(sealed_object.read_headers(blobs, key), refs)


def _several(value: str | Sequence[str] | None) -> Sequence[str]:
    if value is None or value == "":
        return ()
    return (value,) if isinstance(value, str) else value
