"""What a failing disk means for the caller: full, or not answering."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from archipel.kit.errors import ArchipelError, LimitReached, Unavailable

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def disk_error(error: OSError, *, code: str = "blobs") -> ArchipelError:
    """The error for doors: ``out-of-space`` when there is no room, else ``code`` (``blobs``, ``spool``) for a disk that does not answer."""
    if error.errno in _FULL:
        return LimitReached("The disk is full; nothing was stored.", code="out-of-space", detail=str(error))
    return Unavailable("The disk does not answer as it should.", code=code, detail=str(error))


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
