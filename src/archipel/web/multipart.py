"""multipart/form-data (RFC 7578) read as it streams: fields in memory, files into the spool, everything bounded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from archipel.kit.errors import Invalid, LimitReached
from archipel.kit.spool import Spool, Spooled

FIELD_COUNT_MAX = 32
FIELD_BYTES_MAX = 4096
FILE_COUNT_MAX = 10_000
NAME_LENGTH_MAX = 300


@dataclass(frozen=True)
class FormFile:
    """A file of the form, whole in the spool; its name is a label, never a path."""

    field: str
    name: str
    spooled: Spooled


class Form:
    """Reads one form. ``feed`` bytes as they come and take ``ready`` files; ``fields`` fills up as they arrive. ``close`` in any case."""

    def __init__(self, content_type: str, spool: Spool) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if kind != b"multipart/form-data" or not 0 < len(boundary) <= 256:
            raise Invalid("Send multipart/form-data with a boundary.", code="content-type")
        self.fields: dict[str, str] = {}
        self.ready: list[FormFile] = []
        self._spool = spool
        self._file_count = 0
        self._name = self._value = b""
        self._headers: dict[bytes, bytes] = {}
        self._field, self._label = "", ""
        self._spooled: Spooled | None = None
        self._text: bytearray | None = None
        self._ended = False
        on: dict[str, Callable[..., None]] = {
            "on_part_begin": self._part_begin, "on_header_field": self._header_name, "on_header_value": self._header_value,
            "on_header_end": self._header_end, "on_headers_finished": self._headers_finished, "on_part_data": self._part_data,
            "on_part_end": self._part_end, "on_end": self._end,
        }  # fmt: skip
        self._parser = MultipartParser(boundary, on, max_header_count=16, max_header_size=8192)  # type: ignore[arg-type]

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the body; Invalid when they are no form, LimitReached for too many parts or no room."""
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise Invalid("The form is not well formed.", code="multipart", detail=repr(error)) from error
        except OSError as error:
            raise LimitReached("There is no room to take the upload.", code="out-of-space", detail=repr(error)) from error

    def finish(self) -> None:
        """The body is over; Invalid when the form is not."""
        if not self._ended:
            raise Invalid("The form ends before its closing boundary.", code="multipart")

    def close(self) -> None:
        """Leave nothing in the spool that was not taken."""
        for file in self.ready:
            file.spooled.close()
        self.ready.clear()
        if self._spooled is not None:
            self._spooled.close()
            self._spooled = None

    def _part_begin(self) -> None:
        self._headers.clear()
        self._name = self._value = b""

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def _headers_finished(self) -> None:
        disposition, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._field = options.get(b"name", b"").decode("utf-8", "replace")[:NAME_LENGTH_MAX]
        if disposition != b"form-data" or not self._field:
            raise Invalid("A part of the form has no name.", code="multipart")
        label = options.get(b"filename")
        if label is None:
            self._text = bytearray()
            if len(self.fields) >= FIELD_COUNT_MAX:
                raise LimitReached(f"The form has more than {FIELD_COUNT_MAX} fields.", code="too-large")
            return
        self._file_count += 1
        if self._file_count > FILE_COUNT_MAX:
            raise LimitReached(f"The form has more than {FILE_COUNT_MAX} files.", code="too-large")
        self._label = "".join(c if c.isprintable() else "_" for c in label.decode("utf-8", "replace"))[:NAME_LENGTH_MAX]
        self._spooled = self._spool.new()

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._spooled is not None:
            self._spooled.write(memoryview(data)[start:end])
        elif self._text is not None:
            self._text += data[start:end]
            if len(self._text) > FIELD_BYTES_MAX:
                raise LimitReached(f"The field {self._field} is longer than {FIELD_BYTES_MAX} bytes.", code="too-large")

    def _part_end(self) -> None:
        if self._spooled is not None:
            self.ready.append(FormFile(self._field, self._label or "file", self._spooled))
            self._spooled = None
        elif self._text is not None:
            self.fields[self._field] = self._text.decode("utf-8", "replace").strip()
            self._text = None

    def _end(self) -> None:
        self._ended = True
