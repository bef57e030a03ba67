"""Pixels that need a codec: asked of the child processes, never decoded here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from archipel import archive
from archipel.dicomweb.parts import Parts


def decoded(parts: Parts, ref: archive.InstanceRef, wanted: Sequence[int], transfer_syntax_uid: str) -> Iterator[bytes]:
    """The frames in another transfer syntax than they are stored in."""
    raise NotImplementedError
    yield b""
