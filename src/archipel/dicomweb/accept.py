"""What a client accepts: media types with their parameters (RFC 9110 12.5.1, PS3.18 8.7.5), read leniently."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from starlette.requests import Request

from archipel.dicom import uids
from archipel.kit.errors import ArchipelError, Invalid

ACCEPT_LENGTH_MAX = 8192
ANY = "*/*"


@dataclass(frozen=True)
class Wish:
    """One acceptable form: ``media`` is of the parts when ``multipart``; ``transfer_syntax`` is '' when not said, '*' for any."""

    media: str
    multipart: bool
    transfer_syntax: str = ""
    quality: float = 1.0

    def takes(self, media: str) -> bool:
        """Whether a media type fits, wildcards included."""
        if self.media in (ANY, media):
            return True
        return self.media.endswith("/*") and media.startswith(self.media[:-1])

    @property
    def open(self) -> bool:
        """``*/*`` that says nothing of the form: single part or multipart."""
        return self.media == ANY and not self.multipart


class NotAcceptable(ArchipelError):
    """Nothing that the client accepts can be made of what is stored."""

    kind = "not_acceptable"

    def __init__(self, public: str, *, code: str = "not-acceptable", detail: str = "") -> None:
        super().__init__(public, code=code, detail=detail, field="Accept")


def wishes(http_request: Request) -> tuple[Wish, ...]:
    """What the request accepts, best first; the ``accept`` query parameter stands for the header (PS3.18 8.3.3.1)."""
    given = http_request.query_params.getlist("accept")
    if given:
        return parse_accept(value.replace(" ", "+") if "+" not in value and ";" not in value else value for value in given)
    return parse_accept(http_request.headers.getlist("accept"))


def parse_accept(values: Iterable[str]) -> tuple[Wish, ...]:
    """The wishes of Accept headers, by falling q; none said means anything. Raises Invalid for what cannot be read."""
    text = ",".join(values)
    if len(text) > ACCEPT_LENGTH_MAX:
        raise Invalid(f"The Accept header is longer than {ACCEPT_LENGTH_MAX} characters.", code="bad-accept", field="Accept")
    found = [_wish(part) for part in split_outside_quotes(text, ",") if part.strip()]
    if not found:
        return (Wish(ANY, multipart=False),)
    return tuple(sorted((wish for wish in found if wish.quality > 0), key=lambda wish: -wish.quality))


def _wish(text: str) -> Wish:
    media, parameters = media_type(text, field="Accept")
    try:
        quality = float(parameters.get("q", "1"))
    except ValueError as error:
        raise _bad(text) from error
    if not 0 <= quality <= 1:
        raise _bad(text)
    syntax = parameters.get("transfer-syntax", "")
    if syntax not in ("", "*") and not uids.is_uid(syntax):
        raise Invalid("The transfer-syntax of the Accept header is no UID and no '*'.", code="bad-accept", field="Accept")
    if media.startswith("multipart/"):
        inner = parameters.get("type", ANY).lower()
        return Wish(inner if "/" in inner else f"{inner}/*", True, syntax, quality)
    return Wish(media, False, syntax, quality)


def media_type(text: str, *, field: str) -> tuple[str, dict[str, str]]:
    """Media type in lower case and its parameters, quoted or not. Raises Invalid."""
    head, *rest = split_outside_quotes(text, ";")
    media = head.strip().lower()
    if media == "*":  # as Java's own HTTP client writes it
        media = ANY
    kind, slash, sub = media.partition("/")
    if not slash or not kind or not sub or any(c.isspace() or c in '"(),;=@[]{}' for c in media):
        raise _bad(text, field)
    parameters: dict[str, str] = {}
    for one in rest:
        name, equals, value = one.strip().partition("=")
        if not one.strip():
            continue
        value = value.strip()
        if not equals or not name.strip() or value.count('"') not in (0, 2):
            raise _bad(text, field)
        parameters[name.strip().lower()] = value[1:-1] if value[:1] == '"' and value[-1:] == '"' else value
    return media, parameters


def split_outside_quotes(text: str, by: str) -> list[str]:
    """The parts between separators that do not stand in a quoted string."""
    parts, start, quoted = [], 0, False
    for at, character in enumerate(text):
        if character == '"':
            quoted = not quoted
        elif character == by and not quoted:
            parts.append(text[start:at])
            start = at + 1
    return [*parts, text[start:]]


def _bad(text: str, field: str = "Accept") -> Invalid:
    return Invalid(f"{field} cannot be read: {text.strip()[:80]!r} is no media type.", code="bad-accept", field=field)
