"""Same: when two datasets under one UID count as one content (digests are SHA-256 of the dataset as sent)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

PADDING = b"\0"

Pieces = Iterable[bytes | bytearray | memoryview]


def twin_digest(pieces: Pieces) -> str:
    """Digest of the dataset with the padding byte that its odd length lacks, or without the one at its even end; '' when neither is.

    Fragments of a C-STORE have an even length (PS3.8 9.3.5.1): a dataset of an odd length, which STOW and files carry as it is,
    comes with one byte of padding behind it. That byte makes no other content.
    """
    running, last, length = hashlib.sha256(), b"", 0
    for piece in pieces:
        if not len(piece):
            continue
        running.update(last)
        running.update(memoryview(piece)[:-1])
        last = bytes(piece[-1:])
        length += len(piece)
    if length % 2:
        running.update(last)
        running.update(PADDING)
        return running.hexdigest()
    return running.hexdigest() if last == PADDING else ""
