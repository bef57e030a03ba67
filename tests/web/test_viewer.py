"""The viewer's address: prior mammography, fusion, language, and nobody else's exams."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from pydicom.uid import DigitalMammographyXRayImageStorageForPresentation as Mammography
from pydicom.uid import PositronEmissionTomographyImageStorage as Pet

from tests import make
from tests.web.door import Door


def opened(door: Door, role: str, study_uid: str, **query: str) -> tuple[str, list[str], str]:
    answer = door.client(role).get(f"/exams/{study_uid}/viewer", params=query, follow_redirects=False)
    assert answer.status_code == 307, answer.text
    address = urlsplit(answer.headers["location"])
    asked = parse_qs(address.query)
    return address.path, asked["StudyInstanceUIDs"][0].split(","), asked["lng"][0]


def mammography(door: Door, date: str, patient_id: str = "W-1", site_id: str = "north") -> str:
    ds = make.with_pixels(make.instance(Mammography, "MG", StudyDate=date, PatientID=patient_id))
    door.store(ds, site_id=site_id)
    return str(ds.StudyInstanceUID)


def test_a_mammography_opens_beside_the_newest_one_before_it(door_on: Door) -> None:
    oldest, older, now = (mammography(door_on, date) for date in ("20200110", "20240110", "20260110"))
    mammography(door_on, "20250110", patient_id="W-2")
    mammography(door_on, "20251110", site_id="south")
    assert opened(door_on, "radiologist", now) == ("/ohif/viewer", [now, older], "fr")
    assert opened(door_on, "radiologist", older, locale="en") == ("/ohif/viewer", [older, oldest], "en")
    assert opened(door_on, "radiologist", oldest)[1] == [oldest]


def test_pet_ct_opens_fused_and_anything_else_as_it_is(door_on: Door) -> None:
    ct = make.ct_study(instances=1)[0]
    uid = str(ct.StudyInstanceUID)
    door_on.store(ct, site_id="north")
    assert opened(door_on, "radiologist", uid)[:2] == ("/ohif/viewer", [uid])
    door_on.store(make.with_pixels(make.instance(Pet, "PT", StudyInstanceUID=uid)), site_id="north")
    assert opened(door_on, "radiologist", uid)[:2] == ("/ohif/tmtv", [uid])
    assert door_on.client("south_doctor").get(f"/exams/{uid}/viewer", follow_redirects=False).status_code == 404
