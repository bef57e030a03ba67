"""Reader of multipart/related bodies (RFC 2046, PS3.18 8.6.1.2): fed in chunks of any size, it spools the parts as they come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from archipel.kit.disk import disk_error
from archipel.kit.errors import ArchipelError, Invalid, LimitReached
from archipel.kit.spool import Spool, Spooled

PARTS_COUNT_MAX = 100_000
HEADERS_COUNT_MAX = 32
HEADER_BYTES_MAX = 8 * 1024
BOUNDARY_LENGTH_MAX = 200


@dataclass
class Part:
    """One part: headers by lower-case name, and its bytes; ``error`` says why they could not be kept."""

    spooled: Spooled
    number: int
    headers: dict[str, str] = field(default_factory=dict)
    error: ArchipelError | None = None

    def write(self, data: bytes, start: int, end: int) -> None:
        """Add bytes; a part that is too large or finds the disk full is read to its end and dropped."""
        if self.error is not None:
            return
        try:
            self.spooled.write(memoryview(data)[start:end])
        except ArchipelError as error:
            self.error = error
        except OSError as error:
            self.error = disk_error(error, code="spool")
        if self.error is not None:
            self.spooled.close()


class RelatedReader:
    """Takes the body by ``feed`` and gives its parts as they end; ``close`` drops a part that never ended."""

    def __init__(self, boundary: str, spool: Spool) -> None:
        if not 0 < len(boundary) <= BOUNDARY_LENGTH_MAX:
            raise Invalid("The Content-Type of a multipart body needs a boundary.", code="no-boundary", field="Content-Type")
        self._spool = spool
        self._done: list[Part] = []
        self._part: Part | None = None
        self._name = self._value = b""
        self._ended = False
        self.parts_count = 0
        acts: dict[str, Callable[..., None]] = {
            "on_part_begin": self._begin, "on_part_data": self._data, "on_part_end": self._end, "on_header_begin": self._header_begin,
            "on_header_field": self._header_field, "on_header_value": self._header_value, "on_header_end": self._header_end,
            "on_end": self._finish,
        }  # fmt: skip
        try:
            self._parser = MultipartParser(
                boundary.encode("ascii"), acts,  # type: ignore[arg-type]
                max_header_count=HEADERS_COUNT_MAX, max_header_size=HEADER_BYTES_MAX,
            )  # fmt: skip
        except (FormParserError, UnicodeEncodeError) as error:
            raise Invalid("The boundary of the multipart body is not usable.", code="no-boundary", field="Content-Type") from error

    @property
    def whole(self) -> bool:
        """Whether the closing delimiter was read."""
        return self._ended

    def feed(self, data: bytes) -> list[Part]:
        """Read on, and return the parts that ended. Raises Invalid when the body is not well formed, LimitReached for too many parts."""
        if self._ended:
            return []  # an epilogue
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise Invalid("The multipart body is not well formed.", code="bad-multipart", detail=str(error)) from error
        done, self._done = self._done, []
        return done

    def close(self) -> None:
        """Drop what is not finished."""
        for part in [*self._done, *([self._part] if self._part else [])]:
            part.spooled.close()
        self._done, self._part = [], None

    def _begin(self) -> None:
        self.parts_count += 1
        if self.parts_count > PARTS_COUNT_MAX:
            raise LimitReached(f"The body has more than {PARTS_COUNT_MAX} parts.", code="too-many-parts")
        self._part = Part(self._spool.new(), self.parts_count)

    def _data(self, data: bytes, start: int, end: int) -> None:
        assert self._part is not None
        self._part.write(data, start, end)

    def _end(self) -> None:
        assert self._part is not None
        self._done.append(self._part)
        self._part = None

    def _header_begin(self) -> None:
        self._name = self._value = b""

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        assert self._part is not None
        self._part.headers[self._name.decode("latin-1").strip().lower()] = self._value.decode("latin-1").strip()

    def _finish(self) -> None:
        self._ended = True
