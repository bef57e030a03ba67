"""An instance of several gigabytes through the web door, within bounded memory."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests import make
from tests.platform import Platform

FRAGMENT = os.urandom(1 << 20) * 64
SIZE_BYTES = int(os.environ.get("ARCHIPEL_TEST_BIG_BYTES", str(4_400_000_000)))
RESIDENT_BYTES_MAX = 300 << 20


def parts_of_an_instance(sop_instance_uid: str) -> Iterator[bytes]:
    """A Part 10 file with encapsulated video of SIZE_BYTES, in chunks."""
    ds = make.instance(
        "1.2.840.10008.5.1.4.1.1.77.1.4.1", "XC", SOPInstanceUID=sop_instance_uid, StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.4"
    )
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PlanarConfiguration = 16, 16, 3, "YBR_PARTIAL_420", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation, ds.NumberOfFrames = 8, 8, 7, 0, 25
    head = make.part10(ds).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.4.102\0")
    at = head.index(b"DICM") + 4
    length = int.from_bytes(head[at + 8 : at + 12], "little")
    head = head[: at + 8] + (length + 4).to_bytes(4, "little") + head[at + 12 :]
    place = head.index(b"\x02\0\x10\0UI") + 6
    head = head[:place] + (24).to_bytes(2, "little") + head[place + 2 :]
    yield head + b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\0\0\0\0"
    sent = 0
    while sent < SIZE_BYTES:
        yield b"\xfe\xff\0\xe0" + len(FRAGMENT).to_bytes(4, "little")
        for start in range(0, len(FRAGMENT), 1 << 20):
            yield FRAGMENT[start : start + (1 << 20)]
        sent += len(FRAGMENT)
    yield b"\xfe\xff\xdd\xe0\0\0\0\0"


def resident_bytes_max(pid: int) -> int:
    """The most memory that a process has had."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


@pytest.mark.big
@pytest.mark.timeout(3000)
def test_gigabytes_in_and_out(platform: Platform) -> None:
    platform.start()
    assert platform.process is not None
    assert platform.process.popen is not None
    uid = make.uid()
    headers = {"Authorization": f"Bearer {platform.token()}"}
    with httpx.Client(base_url=f"{platform.url}/dicom-web", headers=headers, timeout=1200) as client:
        answer = client.post(
            "/studies", content=parts_of_an_instance(uid), headers={"Content-Type": "application/dicom", "Accept": "application/dicom+json"}
        )
        assert answer.status_code == 200, answer.text
        url = f"/studies/1.2.3/series/1.2.3.4/instances/{uid}"
        received_bytes = 0
        with client.stream("GET", url, headers={"Accept": "application/dicom; transfer-syntax=*"}) as back:
            assert back.status_code == 200
            for chunk in back.iter_bytes():
                received_bytes += len(chunk)
        assert received_bytes > SIZE_BYTES
        tail = client.get(f"{url}/frames/1", headers={"Accept": "video/mp4", "Range": "bytes=-1000"})
        assert (tail.status_code, tail.content) == (206, FRAGMENT[-1000:])
        row = client.get(f"{url}/metadata", headers={"Accept": "application/dicom+json"}).json()[0]
        assert "BulkDataURI" in row["7FE00010"]
    assert resident_bytes_max(platform.process.popen.pid) < RESIDENT_BYTES_MAX
