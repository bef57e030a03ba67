"""Studies and series as application/zip (PS3.18 8.7.3.1), written as it is sent."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence

from archipel import archive
from archipel.dicomweb.convert import file_in
from archipel.dicomweb.parts import Parts

# Stored, not deflated: pixels are compressed already or asked for uncompressed; dates of members say nothing of the exam.
_DATE = (1980, 1, 1, 0, 0, 0)


class _Outlet(io.RawIOBase):
    """What was written since it was last taken."""

    def __init__(self) -> None:
        super().__init__()
        self._held: list[bytes] = []

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: object) -> int:
        """Hold the bytes until they are taken."""
        held = bytes(data)  # type: ignore[call-overload]
        self._held.append(held)
        return len(held)

    def take(self) -> bytes:
        """Everything held."""
        data, self._held = b"".join(self._held), []
        return data


def zip_of(parts: Parts, given: Sequence[tuple[archive.InstanceRef, str]]) -> Iterator[bytes]:
    """The archive in chunks: one member ``<series number of the answer>/<instance UID>.dcm`` each."""
    outlet = _Outlet()
    folders: dict[str, int] = {}
    with zipfile.ZipFile(outlet, "w", zipfile.ZIP_STORED) as archive_file:
        for ref, syntax in given:
            folder = folders.setdefault(ref.series_uid, len(folders) + 1)
            member = zipfile.ZipInfo(f"{folder:04d}/{ref.sop_instance_uid}.dcm", _DATE)
            with archive_file.open(member, "w", force_zip64=ref.length_bytes > 1 << 30) as out:
                for chunk in file_in(parts, ref, syntax):
                    out.write(chunk)
                    yield outlet.take()
            yield outlet.take()
    yield outlet.take()
