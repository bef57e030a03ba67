"""What a failing disk means for the caller: full, or not answering."""

from __future__ import annotations

import errno

from archipel.kit.errors import ArchipelError, LimitReached, Unavailable

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def disk_error(error: OSError, *, code: str = "blobs") -> ArchipelError:
    """The error for doors: ``out-of-space`` when there is no room, else ``code`` (``blobs``, ``spool``) for a disk that does not answer."""
    if error.errno in _FULL:
        return LimitReached("The disk is full; nothing was stored.", code="out-of-space", detail=str(error))
    return Unavailable("The disk does not answer as it should.", code=code, detail=str(error))
