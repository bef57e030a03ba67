"""Files of any kind become instances; hostile archives become refusals, in bounded memory."""

from __future__ import annotations

import io
import stat
import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from archipel.archive import Incoming, IntakeLimits, Refusal, Source, walk_file
from archipel.kit.actor import Actor
from archipel.kit.errors import Invalid
from archipel.kit.spool import Spool, Spooled
from tests import make

SOURCE = Source("import", "north", Actor.system("test"))
LIMITS = IntakeLimits(zip_bytes_max=256 << 20, zip_ratio_max=200)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", memory_bytes_max=8 << 20, memory_bytes_each=64 << 10)


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()


def walked(
    content: bytes, spool: Spool, *, name: str = "upload.zip", limits: IntakeLimits = LIMITS
) -> tuple[list[str], list[tuple[str, str]]]:
    """Names of the instances, and (name, code) of the refusals; everything in the spool is given back."""
    instances, refusals = [], []
    for found in walk_file(io.BytesIO(content), name, spool=spool, source=SOURCE, limits=limits):
        if isinstance(found, Incoming):
            instances.append(found.name)
            found.spooled.close()
        else:
            refusals.append((found.name, found.error.code))
    assert spool.used_bytes == 0 and list(spool.folder.iterdir()) == []
    return instances, refusals


IMAGE = make.part10(make.cr_image())


def test_a_dicom_file_with_and_without_preamble(spool: Spool, tmp_path: Path) -> None:
    assert walked(IMAGE, spool, name="a.dcm") == (["a.dcm"], [])
    assert walked(IMAGE[128:], spool, name="b.dcm") == (["b.dcm"], [])
    path = tmp_path / "c.dcm"
    path.write_bytes(IMAGE)
    (found,) = walk_file(path, "c.dcm", spool=spool, source=SOURCE, limits=LIMITS)
    assert isinstance(found, Incoming) and found.transfer_syntax_uid == "1.2.840.10008.1.2.1"
    with found.spooled.open() as file:
        assert file.read() == IMAGE
    found.spooled.close()


def test_what_is_spooled_is_taken_over(spool: Spool) -> None:
    for content in (IMAGE, zipped({"a": IMAGE}), b"", b"no image"):
        spooled = spool.new()
        spooled.write(content)
        for found in walk_file(spooled, "x", spool=spool, source=SOURCE, limits=LIMITS):
            if isinstance(found, Incoming):
                found.spooled.close()
        assert spool.used_bytes == 0 and list(spool.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "empty"), (b"hello", "not-dicom"), (b"%PDF-1.7 ...", "no-target"), (b"\x89PNG\r\n\x1a\n....", "no-target"),
     (b"\xff\xd8\xff\xe0", "no-target")],
)  # fmt: skip
def test_what_is_no_instance_has_a_reason(spool: Spool, content: bytes, code: str) -> None:
    assert walked(content, spool, name="f") == ([], [("f", code)])


def test_a_zip_with_folders_system_files_links_and_a_dicomdir(spool: Spool) -> None:
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("folder/", b"")
        archive.writestr("folder/a", IMAGE)
        archive.writestr(link, b"/etc/passwd")
        archive.writestr("__MACOSX/._a", b"junk")
        archive.writestr(".DS_Store", b"junk")
        archive.writestr("DICOMDIR", dicomdir())
        archive.writestr("README.TXT", b"hello")
    instances, refusals = walked(target.getvalue(), spool)
    assert instances == ["upload.zip/folder/a"]
    assert refusals == [
        ("upload.zip/link", "ignored"), ("upload.zip/__MACOSX/._a", "ignored"), ("upload.zip/.DS_Store", "ignored"),
        ("upload.zip/DICOMDIR", "ignored"), ("upload.zip/README.TXT", "not-dicom"),
    ]  # fmt: skip


def dicomdir() -> bytes:
    """A file whose meta says that it is a media storage directory."""
    return make.part10(make.instance("1.2.840.10008.1.3.10", "OT"))


def test_names_are_labels_and_never_paths(spool: Spool, tmp_path: Path) -> None:
    members = {"../../escape": IMAGE, "/etc/passwd": IMAGE, "C:\\windows\\x": IMAGE, "a\nb": IMAGE}
    instances, _ = walked(zipped(members), spool)
    assert instances == ["upload.zip/../../escape", "upload.zip//etc/passwd", "upload.zip/C:\\windows\\x", "upload.zip/a_b"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["spool"]


def test_a_member_without_a_name_is_read_too(spool: Spool) -> None:
    data = zipped({"x": IMAGE})
    instances, refusals = walked(_without_names(data), spool)
    assert (len(instances), refusals) == (1, [])


def _without_names(data: bytes) -> bytes:
    """The archive with names of length 0 in its directory, which only a damaged or hostile one has."""
    out = bytearray(data)
    entry = out.rindex(b"PK\x01\x02")
    length = int.from_bytes(out[entry + 28 : entry + 30], "little")
    out[entry + 28 : entry + 30] = b"\0\0"
    del out[entry + 46 : entry + 46 + length]
    end = out.rindex(b"PK\x05\x06")
    size = int.from_bytes(out[end + 12 : end + 16], "little") - length
    out[end + 12 : end + 16] = size.to_bytes(4, "little")
    local = out.index(b"PK\x03\x04")
    out[local + 30 : local + 30 + length] = b""
    out[local + 26 : local + 28] = b"\0\0"
    end = out.rindex(b"PK\x05\x06")
    start = int.from_bytes(out[end + 16 : end + 20], "little") - length
    out[end + 16 : end + 20] = start.to_bytes(4, "little")
    return bytes(out)


def test_unicode_names_said_and_unsaid(spool: Spool) -> None:
    raw = bytearray(zipped({"Léa/画像.dcm": IMAGE}, zipfile.ZIP_STORED))
    assert walked(bytes(raw), spool)[0] == ["upload.zip/Léa/画像.dcm"]
    for mark, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):  # many programs write UTF-8 and do not say so
        start = raw.index(mark)
        flags = struct.unpack_from("<H", raw, start + at)[0]
        struct.pack_into("<H", raw, start + at, flags & ~0x800)
    assert walked(bytes(raw), spool)[0] == ["upload.zip/Léa/画像.dcm"]


def test_one_level_of_nesting_is_read(spool: Spool) -> None:
    inner = zipped({"a": IMAGE})
    middle = zipped({"inner.zip": inner, "b": IMAGE})
    instances, refusals = walked(zipped({"middle.zip": middle, "c": IMAGE}), spool)
    assert instances == ["upload.zip/middle.zip/b", "upload.zip/c"]
    assert refusals == [("upload.zip/middle.zip/inner.zip", "nested-zip")]


def test_an_encrypted_member_is_refused(spool: Spool) -> None:
    raw = bytearray(zipped({"a": IMAGE, "b": IMAGE}, zipfile.ZIP_STORED))
    for mark, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        start = raw.index(mark)
        raw[start + at] |= 1
    assert walked(bytes(raw), spool) == (["upload.zip/b"], [("upload.zip/a", "encrypted-zip")])


def test_a_method_that_is_not_read_is_refused(spool: Spool) -> None:
    assert walked(zipped({"a": IMAGE}, zipfile.ZIP_LZMA), spool) == ([], [("upload.zip/a", "zip-method")])


def test_a_damaged_member_takes_no_other_down(spool: Spool) -> None:
    raw = bytearray(zipped({"a": IMAGE, "b": IMAGE, "c": IMAGE}, zipfile.ZIP_STORED))
    second = raw.index(IMAGE, raw.index(IMAGE) + 1)
    raw[second + 700] ^= 0xFF
    assert walked(bytes(raw), spool) == (["upload.zip/a", "upload.zip/c"], [("upload.zip/b", "bad-zip")])


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_of_a_truncated_zip_what_is_whole_is_taken(spool: Spool, method: int) -> None:
    whole = zipped({"a": IMAGE, "b": IMAGE, "c": IMAGE}, method)
    third = whole.index(b"PK\3\4", whole.index(b"PK\3\4", 4) + 4)
    for cut in (third + 60, len(whole) - 30):
        instances, refusals = walked(whole[:cut], spool)
        expected = ["upload.zip/a", "upload.zip/b"] + (["upload.zip/c"] if cut > third + 60 else [])
        assert instances == expected and refusals == [("upload.zip", "bad-zip")]


def test_a_truncated_stream_with_descriptors_is_read_too(spool: Spool) -> None:
    class Pipe(io.RawIOBase):
        """What cannot seek back, so that sizes are written behind the bytes."""

        def __init__(self) -> None:
            super().__init__()
            self.content = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            self.content += bytes(data)  # type: ignore[call-overload]
            return len(bytes(data))  # type: ignore[call-overload]

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[arg-type]
        for name in "abc":
            archive.writestr(name, IMAGE)
    cut = bytes(pipe.content[: pipe.content.index(b"PK\1\2")])
    assert walked(cut, spool) == (["upload.zip/a", "upload.zip/b", "upload.zip/c"], [("upload.zip", "bad-zip")])


def test_a_member_that_expands_too_far_is_a_bomb(spool: Spool) -> None:
    bomb = zipped({"bomb": bytes(64 << 20), "a": IMAGE})
    tracemalloc.start()
    instances, refusals = walked(bomb, spool)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert instances == ["upload.zip/a"] and refusals == [("upload.zip/bomb", "zip-bomb")]
    assert peak < 24 << 20


def test_many_members_that_share_their_bytes_are_a_bomb(spool: Spool) -> None:
    """Every entry of the directory points at one member (a quine of David Fifield's kind): small each, endless together."""
    raw = zipped({"a": bytes(8 << 20)})
    start = raw.index(b"PK\1\2")
    end = raw.index(b"PK\5\6")
    entry, count = raw[start:end], 300
    tail = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, count, count, len(entry) * count, start, 0)
    instances, refusals = walked(raw[:start] + entry * count + tail, spool)
    assert instances == [] and refusals[-1] == ("upload.zip", "zip-bomb") and len(refusals) < 20


def test_all_together_stay_below_the_total(spool: Spool) -> None:
    limits = IntakeLimits(zip_bytes_max=3 * len(IMAGE), zip_ratio_max=200)
    instances, refusals = walked(zipped(dict.fromkeys("abcde", IMAGE)), spool, limits=limits)
    assert instances == ["upload.zip/a", "upload.zip/b", "upload.zip/c"]
    assert refusals == [("upload.zip/d", "zip-bomb"), ("upload.zip", "zip-bomb")]


def test_a_hundred_thousand_entries_in_bounded_memory(spool: Spool) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for number in range(100_000):
            archive.writestr(f"{number:06d}", b"")
    tracemalloc.start()
    count, codes = 0, set()
    for found in walk_file(io.BytesIO(target.getvalue()), "z", spool=spool, source=SOURCE, limits=LIMITS):
        assert isinstance(found, Refusal)
        count += 1
        codes.add(found.error.code)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 100_000 and codes == {"empty"}
    assert peak < 150 << 20
    limits = IntakeLimits(zip_member_count_max=99_999)
    assert walked(target.getvalue(), spool, limits=limits) == ([], [("upload.zip", "zip-bomb")])


def test_a_directory_that_claims_gigabytes_is_not_read(spool: Spool) -> None:
    body = b"PK\3\4" + bytes(40 << 20)
    tail = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 65535, 65535, 40 << 20, 4, 0)
    assert walked(body + tail, spool) == ([], [("upload.zip", "zip-bomb")])


def test_documents_go_to_who_wraps_them(spool: Spool) -> None:
    seen: list[tuple[str, str, bytes]] = []

    def wrap(kind: str, spooled: Spooled, name: str) -> Incoming:
        with spooled.open() as file:
            seen.append((kind, name, file.read()))
        if kind == "png":
            raise Invalid("Not this one.", code="unreadable")
        return Incoming(spooled, "1.2.840.10008.1.2.1", "", "", SOURCE, 0, name)

    archive = zipped({"a.pdf": b"%PDF-1.4 x", "b.png": b"\x89PNG\r\n\x1a\n x"})
    found = list(walk_file(io.BytesIO(archive), "z", spool=spool, source=SOURCE, limits=LIMITS, wrap=wrap))
    assert seen == [("pdf", "z/a.pdf", b"%PDF-1.4 x"), ("png", "z/b.png", b"\x89PNG\r\n\x1a\n x")]
    assert isinstance(found[0], Incoming) and isinstance(found[1], Refusal) and found[1].error.code == "unreadable"
    found[0].spooled.close()
    assert spool.used_bytes == 0
