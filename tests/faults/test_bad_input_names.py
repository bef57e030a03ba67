"""Names in every character set of the standard and in many scripts: kept as sent, found by QIDO and C-FIND, shown right."""

from __future__ import annotations

import io

import pytest
from pydicom.dataset import Dataset
from pynetdicom.dsutils import decode

from archipel.dicom import sop_classes
from tests import make
from tests.faults.watch import CT, EXPLICIT, Served, dataset, unharmed

pytestmark = pytest.mark.faults
# Specific Character Set (PS3.3 C.12.1.1.2): a name in it, and a part of it to search for.
NAMES: dict[str, tuple[str | list[str], str, str]] = {
    "default repertoire": ("", "DOE^JOHN", "doe*"),
    "Latin 1": ("ISO_IR 100", "Müller^Françoise", "MULLER*"),
    "Latin 2": ("ISO_IR 101", "Wałęsa^Łukasz", "wałęsa*"),
    "Latin 3": ("ISO_IR 109", "Ħaż-Żebbuġ^Ġorġ", "ħaż*"),
    "Latin 4": ("ISO_IR 110", "Šķēle^Ģirts", "Šķēle*"),
    "Latin 5": ("ISO_IR 148", "Çavuşoğlu^Şükrü", "Çavuşoğlu*"),
    "Latin 9": ("ISO_IR 203", "Œuvrard^Zoé", "Œuvrard*"),
    "Cyrillic": ("ISO_IR 144", "Люксембург^Роза", "Люксембург*"),
    "Arabic": ("ISO_IR 127", "قباني^لنزار", "قباني*"),
    "Greek": ("ISO_IR 126", "Διονυσιος^Μαρια", "Διονυσιος*"),
    "Hebrew": ("ISO_IR 138", "שרון^דבורה", "שרון*"),
    "Japanese half width": ("ISO_IR 13", "ﾔﾏﾀﾞ^ﾀﾛｳ", "ﾔﾏﾀﾞ*"),
    "Thai": ("ISO_IR 166", "ใจดี^สมชาย", "ใจดี*"),
    "UTF-8, five scripts": ("ISO_IR 192", "Wang^XiaoDong=王^小東=Ван^Δ שרון", "王*"),
    "GB18030": ("GB18030", "Wang^XiaoDong=王^小东", "*小东"),
    "GBK": ("GBK", "Zhang^San=张^三", "张*"),
    "Japanese with escapes": (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう", "山田*"),
    "Japanese, JIS X 0212": (["", "ISO 2022 IR 87", "ISO 2022 IR 159"], "Suzuki^Ai=鈴木^藍", "鈴木*"),
    "Japanese, half width first": (["ISO 2022 IR 13", "ISO 2022 IR 87"], "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう", "*太郎"),
    "Korean with escapes": (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동", "홍*"),
    "Chinese with escapes": (["", "ISO 2022 IR 58"], "Zhang^XiaoDong=张^小东", "张*"),
    "Latin 1 and Cyrillic with escapes": (["ISO 2022 IR 100", "ISO 2022 IR 144"], "Dürer=Люксембург", "Люксембург*"),
}
BROKEN: dict[str, tuple[bytes, bytes]] = {
    "an unknown character set": (b"ISO_IR 999", b"DOE^JANE"),
    "bytes that the character set does not have": (b"ISO_IR 192", b"M\xfcller^F"),
    "UTF-8 without a character set": (b"", "Zoé^Œ".encode()),
    "an escape sequence of nothing": (b"\\ISO 2022 IR 87", b"A^B=\x1b$B\x21"),
    "escapes only": (b"\\ISO 2022 IR 87", b"\x1b$B\x1b(B\x1b$B\x1b(B"),
    "NUL and control characters": (b"ISO_IR 100", b"DO\0E^\x07\x1b[31mJ"),
    "a surrogate in UTF-8": (b"ISO_IR 192", b"\xed\xa0\x80^A"),
    "a multi-valued name": (b"ISO_IR 100", b"DOE^A\\DOE^B"),
    "300 equals and carets": (b"ISO_IR 100", b"=^" * 150),
    "a set declared five times": (b"ISO_IR 100\\ISO_IR 100\\ISO_IR 100\\ISO_IR 100\\ISO_IR 100", b"DOE^C"),
    "right-to-left override": (b"ISO_IR 192", "DOE\u202e^NHOJ".encode()),
}


def written(ds: Dataset, title: str, name: str) -> bytes:
    """The dataset's bytes; the name by hand where pydicom 3.0 does not write it (PS3.5 K.2, PS3.3 C.12.1.1.2)."""
    raw = {
        "Latin 9": lambda: name.encode("iso8859_15"),
        "Chinese with escapes": lambda: name.encode("gb2312").replace(b"=", b"=\x1b$)A").replace(b"^\xd0", b"^\x1b$)A\xd0"),
    }.get(title)
    if raw is None:
        return dataset(ds)
    value = raw()
    value += b" " * (len(value) % 2)
    ds.PatientName = "PLACEHOLDER^"
    return dataset(ds).replace(b"PN\x0c\0PLACEHOLDER^", b"PN" + len(value).to_bytes(2, "little") + value)


def groups(name: str) -> dict[str, str]:
    """A name as DICOM JSON has it (PS3.18 F.2.2)."""
    return dict(zip(("Alphabetic", "Ideographic", "Phonetic"), name.split("="), strict=False))


@pytest.mark.parametrize("title", NAMES)
def test_a_name_in_its_character_set(served: Served, title: str) -> None:
    sets, name, pattern = NAMES[title]
    (ds,) = make.ct_study(instances=1, SpecificCharacterSet=sets or None, PatientName=name, PatientID=f"N-{title}"[:60])
    sent = written(ds, title, name)
    uid, study = str(ds.SOPInstanceUID), str(ds.StudyInstanceUID)
    offers = ((CT, [EXPLICIT]), (sop_classes.STUDY_FIND, [EXPLICIT]))
    with unharmed(served), served.association(*offers) as association, served.client() as client:
        assert association.store(CT, uid, EXPLICIT, [sent]).status == 0
        found = client.get("/dicom-web/studies", params={"PatientName": pattern, "limit": 50}).json()
        assert groups(name) in [row["00100010"]["Value"][0] for row in found], found
        (row,) = client.get(f"/dicom-web/studies/{study}/metadata", headers={"Accept": "application/dicom+json"}).json()
        assert row["00100010"]["Value"] == [groups(name)]
        exams = client.get("/api/v1/exams", params={"search": pattern.strip("*"), "limit": 50}).json()["items"]
        assert [one["patient"]["name"] for one in exams if one["study_uid"] == study] == [name.split("=")[0]]
        back = client.get(
            f"/dicom-web/studies/{study}", headers={"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
        )
        assert sent in back.content
        asked = Dataset()
        asked.SpecificCharacterSet, asked.QueryRetrieveLevel = "ISO_IR 192", "STUDY"
        asked.StudyInstanceUID, asked.PatientName = "", pattern
        *rows, final = association.find(sop_classes.STUDY_FIND, dataset(asked), EXPLICIT)
        assert final.status == 0
        names = [str(one.PatientName) for one in map(as_dataset, rows) if one.StudyInstanceUID == study]
        assert names == [name]


def as_dataset(answer: object) -> Dataset:
    """The identifier of a C-FIND response, read by pynetdicom."""
    return decode(io.BytesIO(answer.dataset), False, True)  # type: ignore[attr-defined]


@pytest.mark.parametrize("title", BROKEN)
def test_a_name_that_cannot_be_right_is_stored_shown_and_harms_nobody(served: Served, title: str) -> None:
    sets, name = BROKEN[title]
    (ds,) = make.ct_study(instances=1, SpecificCharacterSet=None, PatientName="PLACEHOLDER^", PatientID=f"B-{title}"[:60])
    name += b" " * (len(name) % 2)
    sets += b" " * (len(sets) % 2)
    data = dataset(ds).replace(b"PN\x0c\0PLACEHOLDER^", b"PN" + len(name).to_bytes(2, "little") + name)
    data = (b"\x08\0\x05\0CS" + len(sets).to_bytes(2, "little") + sets if sets else b"") + data
    study = str(ds.StudyInstanceUID)
    with (
        unharmed(served),
        served.association((CT, [EXPLICIT]), (sop_classes.STUDY_FIND, [EXPLICIT])) as association,
        served.client() as client,
    ):
        assert association.store(CT, ds.SOPInstanceUID, EXPLICIT, [data]).status == 0
        assert len(client.get("/dicom-web/studies", params={"StudyInstanceUID": study}).json()) == 1
        metadata = client.get(f"/dicom-web/studies/{study}/metadata", headers={"Accept": "application/dicom+json"})
        assert metadata.status_code == 200 and metadata.json()
        xml = client.get(f"/dicom-web/studies/{study}/metadata", headers={"Accept": 'multipart/related; type="application/dicom+xml"'})
        assert xml.status_code == 200
        assert client.get(f"/api/v1/exams/{study}").status_code == 200
        back = client.get(
            f"/dicom-web/studies/{study}", headers={"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
        )
        assert data in back.content
        asked = Dataset()
        asked.QueryRetrieveLevel, asked.StudyInstanceUID, asked.PatientName = "STUDY", study, ""
        *rows, final = association.find(sop_classes.STUDY_FIND, dataset(asked), EXPLICIT)
        assert final.status == 0 and len(rows) == 1
