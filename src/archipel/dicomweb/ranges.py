"""One range of a resource (RFC 9110 14), and entity tags."""

from __future__ import annotations

import re

from starlette.requests import Request

from archipel.kit.errors import ArchipelError

_RANGE = re.compile(r"bytes=\s*([0-9]{0,19})\s*-\s*([0-9]{0,19})", re.IGNORECASE)


class OutOfRange(ArchipelError):
    """The range asked for lies outside the resource."""

    kind = "invalid"


def asked_range(http_request: Request, size_bytes: int, etag: str) -> tuple[int, int] | None:
    """First byte and length that are asked for, or None for the whole. Raises OutOfRange (416).

    Several ranges, another unit, numbers of more than 19 digits and a stale If-Range mean the whole, as the standard allows.
    """
    asked = _RANGE.fullmatch(http_request.headers.get("range", "").strip())
    if asked is None:
        return None
    condition = http_request.headers.get("if-range")
    if condition is not None and condition.strip() != etag:
        return None
    first, last = asked.groups()
    if not first:
        length = min(int(last or 0), size_bytes)
        start, end = size_bytes - length, size_bytes - 1
    else:
        start, end = int(first), min(int(last), size_bytes - 1) if last else size_bytes - 1
    if start >= size_bytes or end < start:
        if last and first and int(last) < int(first):
            return None
        raise OutOfRange(f"The range lies outside the {size_bytes} bytes of this resource.", code="range", field="Range")
    return start, end - start + 1


def range_headers(found: tuple[int, int], size_bytes: int) -> dict[str, str]:
    """The headers of a partial answer."""
    return {"Content-Range": f"bytes {found[0]}-{found[0] + found[1] - 1}/{size_bytes}"}


def matches(http_request: Request, etag: str) -> bool:
    """Whether If-None-Match names this entity tag: then 304 says it all."""
    given = http_request.headers.get("if-none-match", "")
    if given.strip() == "*":
        return True
    plain = etag.removeprefix("W/")
    return any(
        one.strip().removeprefix("W/").removesuffix('-gzip"').rstrip('"') == plain.rstrip('"') for one in given.split(",") if one.strip()
    )
