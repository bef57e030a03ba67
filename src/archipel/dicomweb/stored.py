"""Stored bytes as a file to read from, and pixels cut out of them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO, cast

from archipel import archive
from archipel.dicom import header, uids
from archipel.kit.blobs import Blobs
from archipel.kit.scratch import temporary

BLOCK_BYTES = 64 * 1024
INFLATED_IN_MEMORY_BYTES_MAX = 8 << 20


class StoredDataset(io.RawIOBase):
    """The dataset of one instance, read from the blobs a block at a time; position 0 is its first byte."""

    def __init__(self, blobs: Blobs, ref: archive.InstanceRef) -> None:
        super().__init__()
        self._blobs, self._ref = blobs, ref
        self._at = self._start = 0
        self._block = b""

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """The position."""
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move, as in every file."""
        base = (0, self._at, self._ref.dataset_length_bytes)[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Bytes from the position on; small reads come from one block."""
        left = max(0, self._ref.dataset_length_bytes - self._at)
        size = left if size is None or size < 0 else min(size, left)
        if size >= BLOCK_BYTES:
            data = archive.dataset_range(self._blobs, self._ref, self._at, size)
        else:
            if not self._start <= self._at <= self._at + size <= self._start + len(self._block):
                self._start = self._at
                self._block = archive.dataset_range(self._blobs, self._ref, self._at, BLOCK_BYTES)
            data = self._block[self._at - self._start : self._at - self._start + size]
        self._at += len(data)
        return data


def open_dataset(blobs: Blobs, ref: archive.InstanceRef) -> tuple[BinaryIO, str]:
    """The dataset, inflated when it is deflated, and the transfer syntax in which it then is. The caller closes it."""
    source = cast(BinaryIO, StoredDataset(blobs, ref))
    if ref.transfer_syntax_uid != uids.DEFLATED:
        return source, ref.transfer_syntax_uid
    plain = temporary(INFLATED_IN_MEMORY_BYTES_MAX)
    for chunk in header.inflated(source):
        plain.write(chunk)
    plain.seek(0)
    return plain, uids.EXPLICIT_LITTLE


def dataset_chunks(blobs: Blobs, ref: archive.InstanceRef, ranges: list[tuple[int, int]]) -> Iterator[bytes]:
    """The bytes of ranges of the dataset, one after the other."""
    for offset, length in ranges:
        yield from archive.part10(blobs, ref, ref.dataset_offset + offset, length)
