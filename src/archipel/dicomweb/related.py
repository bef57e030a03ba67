"""multipart/related answers (RFC 2387, PS3.18 8.6.1.2), streamed."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

BATCH_BYTES = 1 << 20


@dataclass(frozen=True)
class Part:
    """One part: its media type, its chunks, its length where it is known before."""

    media: str
    chunks: Iterable[bytes]
    length_bytes: int | None = None
    location: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def head(self, boundary: str) -> bytes:
        """The delimiter and headers before the part's bytes."""
        lines = [f"--{boundary}", f"Content-Type: {self.media}"]
        if self.length_bytes is not None:
            lines.append(f"Content-Length: {self.length_bytes}")
        if self.location:
            lines.append(f"Content-Location: {self.location}")
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def answer(parts: Iterable[Part], media: str, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A multipart/related answer whose parts are of one media type. The first bytes are read before it is made, so that what is
    missing is said by a status. Its length is said when every part's is known and the parts are a list."""
    boundary = secrets.token_hex(16)
    total = _total(parts, boundary) if isinstance(parts, list) else None
    named = media.split(";")[0]
    content_type = f'multipart/related; type="{named}"; boundary={boundary}'
    out = dict(headers or {})
    if total is not None:
        out["Content-Length"] = str(total)
    return streamed(encode(parts, boundary), status_code=status, media_type=content_type, headers=out)


def encode(parts: Iterable[Part], boundary: str) -> Iterator[bytes]:
    """The body, delimiters joined to the bytes beside them."""
    before = b""
    for part in parts:
        before += part.head(boundary)
        for chunk in part.chunks:
            if before:
                chunk, before = before + chunk, b""
            yield chunk
        before += b"\r\n"
    yield before + f"--{boundary}--\r\n".encode()


def _total(parts: list[Part], boundary: str) -> int | None:
    total = len(boundary) + 6
    for part in parts:
        if part.length_bytes is None:
            return None
        total += len(part.head(boundary)) + part.length_bytes + 2
    return total


def streamed(chunks: Iterable[bytes], **answer: Any) -> StreamingResponse:
    """An answer whose bytes are sent as they are read. The first are read before it is made, as ``primed`` says."""
    return StreamingResponse(_in_batches(primed(chunks)), **answer)


async def _in_batches(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The chunks, several for each visit to a thread: the visit costs as much as reading 200 kB."""

    def take() -> list[bytes]:
        batch, size = [], 0
        for chunk in chunks:
            batch.append(chunk)
            size += len(chunk)
            if size >= BATCH_BYTES:
                break
        return batch

    while batch := await run_in_threadpool(take):
        for chunk in batch:
            yield chunk


def primed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same chunks, the first of them read already: errors of opening are raised here, before a status is sent."""
    iterator = iter(chunks)
    first = next(iterator, None)

    def again() -> Iterator[bytes]:
        if first is not None:
            yield first
            yield from iterator

    return again()
