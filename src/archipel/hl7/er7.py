"""HL7 v2 messages in their vertical-bar form, ER7 (HL7 v2.5.1 2.5 to 2.7): reading without loss, and writing.

``parse`` gives a ``Message`` whose bytes are those that were received. Segments are cut at once, fields when they are asked for. Segments
end with CR; CRLF and LF are tolerated, and a lone LF that no segment follows belongs to the text of its field.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from archipel.hl7 import charset
from archipel.hl7.escape import DELETE, STANDARD, Encoding, escape, unescape
from archipel.hl7.problems import place, refuse
from archipel.kit.errors import LimitReached

__all__ = [
    "DELETE",
    "STANDARD",
    "Encoding",
    "Field",
    "Limits",
    "Message",
    "Repetition",
    "Segment",
    "Value",
    "compose",
    "encoded",
    "escape",
    "parse",
]

MESSAGE_BYTES_MAX = 67_108_864
SEGMENTS_MAX = 100_000
FIELDS_MAX = 1_000  # of a segment
FIELD_LENGTH_MAX = 50_331_648  # characters: a document of 36 MB in Base64
REPETITIONS_MAX = 1_000  # of a field

_BEFORE = b"\xef\xbb\xbf\r\n\t \x0b\x00"
_BEHIND = b"\r\n\t \x00\x1a\x1c"
_NAME = re.compile(r"[A-Z][A-Z0-9]{2}")

Value: TypeAlias = str | tuple[str | tuple[str | None, ...] | None, ...] | list[Any] | None
"""What a field is written from: text (escaped here), None for nothing, a tuple of components, each of which may be a tuple of
subcomponents, a list of repetitions. ``DELETE`` writes two quotation marks."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one message."""

    message_bytes: int = MESSAGE_BYTES_MAX
    segments: int = SEGMENTS_MAX
    fields: int = FIELDS_MAX
    field_length: int = FIELD_LENGTH_MAX
    repetitions: int = REPETITIONS_MAX


class Repetition:
    """One repetition of a field: components and subcomponents, counted from 1; what is not there is ""."""

    __slots__ = ("_components", "encoding", "raw")

    def __init__(self, raw: str, encoding: Encoding) -> None:
        self.raw = raw
        self.encoding = encoding
        self._components = raw.split(encoding.component)

    def __len__(self) -> int:
        return len(self._components)

    def component(self, number: int) -> str:
        """A component as it stands, still escaped."""
        return self._components[number - 1] if number <= len(self._components) else ""

    def subcomponents(self, number: int) -> list[str]:
        """The texts of the subcomponents of a component; two quotation marks are ""."""
        raw = self.component(number)
        parts = raw.split(self.encoding.subcomponent) if self.encoding.subcomponent else [raw]
        return ["" if part == DELETE else unescape(part, self.encoding) for part in parts]

    def text(self, component: int = 1, subcomponent: int = 1) -> str:
        """The text there, without blanks around it; two quotation marks are "" (``is_delete`` tells)."""
        parts = self.subcomponents(component)
        return parts[subcomponent - 1].strip() if subcomponent <= len(parts) else ""

    def is_delete(self, component: int = 1) -> bool:
        """Whether two quotation marks stand there."""
        return self.component(component).strip() == DELETE

    @property
    def is_empty(self) -> bool:
        """Whether nothing is said; two quotation marks say something."""
        return not self.raw.strip(self.encoding.component + self.encoding.subcomponent + " ")


class Field:
    """A field: its repetitions. ``is_delete`` when it is two quotation marks, ``is_empty`` when it says nothing at all."""

    __slots__ = ("encoding", "raw")

    def __init__(self, raw: str, encoding: Encoding) -> None:
        self.raw = raw
        self.encoding = encoding

    @property
    def is_empty(self) -> bool:
        return not self.raw

    @property
    def is_delete(self) -> bool:
        return self.raw.strip() == DELETE

    @property
    def repetitions(self) -> list[Repetition]:
        """All of them, the empty ones too (their number counts in an error's place); none for an empty field."""
        return [Repetition(part, self.encoding) for part in self.raw.split(self.encoding.repetition)] if self.raw else []

    @property
    def first(self) -> Repetition:
        """The first repetition, an empty one for an empty field."""
        return Repetition(self.raw.split(self.encoding.repetition, 1)[0], self.encoding)

    def text(self, component: int = 1, subcomponent: int = 1) -> str:
        """The text in the first repetition."""
        return self.first.text(component, subcomponent)


class Segment:
    """A segment: its name, its number among those of that name (from 1), its index in the message, and its fields by their number."""

    __slots__ = ("_parts", "encoding", "index", "name", "number", "raw")

    def __init__(self, raw: str, encoding: Encoding, number: int, index: int) -> None:
        self.raw = raw
        self.name = raw[:3]
        self.encoding = encoding
        self.number = number
        self.index = index
        self._parts: list[str] | None = None

    def field(self, number: int) -> Field:
        """A field; one that the segment does not reach is empty. MSH-1 and MSH-2 are read with ``Encoding``, not here."""
        if self._parts is None:
            self._parts = self.raw.split(self.encoding.field)
        at = number - 1 if self.name == "MSH" else number
        return Field(self._parts[at] if at < len(self._parts) else "", self.encoding)

    def text(self, number: int, component: int = 1, subcomponent: int = 1) -> str:
        """The text in the first repetition of a field."""
        return self.field(number).text(component, subcomponent)

    def path(self, number: int, repetition: int = 1, component: int = 0) -> str:
        """The name of a place in it, as errors carry it."""
        text = self.name + (f"{{{self.number}}}" if self.number > 1 else "") + f"-{number}"
        return text + (f"[{repetition}]" if repetition > 1 else "") + (f".{component}" if component else "")


class Message:
    """A message that was read. ``data`` are its bytes as received; ``notes`` say what was tolerated."""

    __slots__ = ("_at", "_lines", "charset", "data", "encoding", "notes")

    def __init__(self, data: bytes, lines: list[str], encoding: Encoding, declared: str, notes: tuple[str, ...]) -> None:
        self.data = data
        self.encoding = encoding
        self.charset = declared
        self.notes = notes
        self._lines = lines
        self._at: dict[str, list[int]] = {}
        for index, line in enumerate(lines):
            self._at.setdefault(line[:3], []).append(index)

    def __len__(self) -> int:
        return len(self._lines)

    def __iter__(self) -> Iterator[Segment]:
        seen: dict[str, int] = {}
        for index, line in enumerate(self._lines):
            number = seen[line[:3]] = seen.get(line[:3], 0) + 1
            yield Segment(line, self.encoding, number, index)

    @property
    def names(self) -> set[str]:
        """The names of its segments."""
        return set(self._at)

    def count(self, name: str) -> int:
        """How many segments have that name."""
        return len(self._at.get(name, ()))

    def all(self, name: str) -> list[Segment]:
        """The segments of a name, in order."""
        return [Segment(self._lines[at], self.encoding, number, at) for number, at in enumerate(self._at.get(name, ()), 1)]

    def first(self, name: str) -> Segment | None:
        """The first segment of a name."""
        found = self._at.get(name)
        return Segment(self._lines[found[0]], self.encoding, 1, found[0]) if found else None

    def value(self, path: str) -> str:
        """The text at a place such as ``MSH-9.2`` or ``PID-3[2].4.1``; "" when it is not there."""
        at = place(path)
        found = self._at.get(at.segment, ())
        if at.number > len(found):
            return ""
        segment = Segment(self._lines[found[at.number - 1]], self.encoding, at.number, found[at.number - 1])
        repetitions = segment.field(at.field).repetitions
        wanted = max(1, at.repetition)
        return repetitions[wanted - 1].text(at.component or 1, at.subcomponent or 1) if wanted <= len(repetitions) else ""

    @property
    def type(self) -> tuple[str, str]:
        """Message code and trigger event (MSH-9.1, MSH-9.2)."""
        return self.value("MSH-9.1"), self.value("MSH-9.2")

    @property
    def control_id(self) -> str:
        """MSH-10."""
        return self.value("MSH-10")

    def with_field(self, path: str, value: Value) -> Message:
        """The message with one whole field written anew (``PID-3``); segments end with CR then, everything else stays as it was.

        Raises ``LookupError`` when it has no such segment.
        """
        at = place(path)
        index = self._at[at.segment][at.number - 1]
        parts = self._lines[index].split(self.encoding.field)
        position = at.field - 1 if at.segment == "MSH" else at.field
        parts += [""] * (position + 1 - len(parts))
        parts[position] = _written(value, self.encoding)
        lines = [*self._lines]
        lines[index] = self.encoding.field.join(parts)
        return parse(_encoded("".join(line + "\r" for line in lines), self.encoding.codec))


def parse(data: bytes, limits: Limits | None = None) -> Message:
    """Read one message.

    Raises ``LimitReached`` (``message-too-long``, ``too-many-segments``, ...) or ``Invalid`` with a condition of table 0357 and the place
    as ``field``.
    """
    limits = limits or Limits()
    if len(data) > limits.message_bytes:
        raise _too_much("message-too-long", f"A message has at most {limits.message_bytes} bytes.")
    body = data.lstrip(_BEFORE).rstrip(_BEHIND)
    encoding = _delimiters(body)
    declared = _declared(body, encoding)
    text, codec, notes = charset.decode(body, declared)
    encoding = replace(encoding, codec=codec)
    lines = _lines(text, encoding, limits)
    return Message(data, lines, encoding, declared, notes)


def _delimiters(body: bytes) -> Encoding:
    if body[:3] != b"MSH" or len(body) < 8:
        refuse("segment-sequence", "MSH", "A message starts with an MSH segment.")
    separator = chr(body[3])
    end = re.search(rb"[\r\n]|" + re.escape(body[3:4]), body[4:32])
    characters = body[4 : 4 + end.start()].decode("latin-1") if end else ""
    marks = separator + characters
    legal = all("!" <= mark <= "~" and not mark.isalnum() and mark != '"' for mark in marks)
    if not 2 <= len(characters) <= 5 or not legal or len(set(marks)) != len(marks):
        refuse("data-type", "MSH-2", "MSH-1 and MSH-2 declare three to six different delimiters, neither letters nor digits.")
    component, repetition, mark, subcomponent, truncation = (*characters, "", "", "", "")[:5]
    return Encoding(separator, component, repetition, mark, subcomponent, truncation)


def _declared(body: bytes, encoding: Encoding) -> str:
    head = re.split(rb"[\r\n]", body[:65_536], maxsplit=1)[0].split(encoding.field.encode())
    field = head[17].decode("latin-1") if len(head) > 17 else ""
    return field.split(encoding.repetition)[0].split(encoding.component)[0].strip().strip('"')


def _lines(text: str, encoding: Encoding, limits: Limits) -> list[str]:
    separator = re.escape(encoding.field)
    ends = re.compile(rf"\r[\r\n]*+|(?<!\n)\n++(?=\r|\Z|[A-Z][A-Z0-9]{{2}}(?:{separator}|[\r\n]|\Z))")
    lines = [line for line in ends.split(text, 2 * limits.segments + 2) if line and not line.isspace()]
    if len(lines) > limits.segments:
        raise _too_much("too-many-segments", f"A message has at most {limits.segments} segments.")
    for index, line in enumerate(lines):
        if not _NAME.match(line) or (len(line) > 3 and line[3] != encoding.field):
            where = f"behind segment {index} ({lines[index - 1][:3]})"
            refuse("segment-sequence", "MSH", f"There is no segment name {where}: is a line break inside a field?")
        if index and line.startswith("MSH"):
            refuse("segment-sequence", "MSH{2}", "One message holds one MSH segment.")
        if line.count(encoding.field) > limits.fields:
            raise _too_much("too-many-fields", f"A segment has at most {limits.fields} fields.")
        if len(line) > limits.field_length or line.count(encoding.repetition) >= limits.repetitions:
            _check_fields(line, encoding, limits)
    return lines


def _check_fields(line: str, encoding: Encoding, limits: Limits) -> None:
    for field in line.split(encoding.field):
        if len(field) > limits.field_length:
            raise _too_much("field-too-long", f"A field has at most {limits.field_length} characters.")
        if field.count(encoding.repetition) >= limits.repetitions:
            raise _too_much("too-many-repetitions", f"A field has at most {limits.repetitions} repetitions.")


def _too_much(code: str, text: str) -> LimitReached:
    return LimitReached(text, code=code, field="MSH")


# --- writing ----------------------------------------------------------------------------------------------------------------------


def compose(rows: Iterable[tuple[str, Sequence[Value]]], encoding: Encoding = STANDARD) -> bytes:
    """A message from (segment name, fields from 1 on). The first row is MSH with its fields from MSH-3 on; MSH-18 says how it is written.

    Raises ``Invalid`` (``data-type``) when the declared character set has no such letters.
    """
    lines = []
    for name, fields in rows:
        written = [_written(value, encoding) for value in fields]
        while written and not written[-1]:
            written.pop()
        head = [name] if name != "MSH" else ["MSH", encoding.characters]
        lines.append(encoding.field.join(head + written) + "\r")
    text = "".join(lines)
    return encoded(text, _declared(text[:65_536].encode("utf-8"), encoding), encoding)


def encoded(text: str, declared: str, encoding: Encoding = STANDARD) -> bytes:
    """The bytes of written segments in the set of their MSH-18; without one, in the codec that ``encoding`` names."""
    first = declared.split(encoding.repetition)[0].split(encoding.component)[0].strip()
    return _encoded(text, charset.codec(first) if first else encoding.codec)


def _encoded(text: str, codec: str) -> bytes:
    try:
        return text.encode(codec)
    except UnicodeEncodeError:
        refuse("data-type", "MSH-18", "The message has letters that the character set of MSH-18 does not hold.")


def _written(value: Value, encoding: Encoding) -> str:
    if isinstance(value, list):
        return encoding.repetition.join(_written(part, encoding) for part in value)
    if isinstance(value, tuple):
        return _joined([_component(part, encoding) for part in value], encoding.component)
    return _component(value, encoding)


def _component(value: str | tuple[str | None, ...] | None, encoding: Encoding) -> str:
    if isinstance(value, tuple):
        return _joined([_component(part, encoding) for part in value], encoding.subcomponent)
    if value is DELETE:
        return DELETE
    return escape(value, encoding) if value else ""


def _joined(parts: list[str], mark: str) -> str:
    while parts and not parts[-1]:
        parts.pop()
    return mark.join(parts)
