"""A token that was given for less than its account may do."""

from __future__ import annotations

from collections.abc import Iterable

import httpx
import pytest

from archipel import directory, sharing, signin
from archipel.kit.errors import Invalid
from tests import make
from tests.platform import Platform
from tests.web.door import TESTER, Door

PDF = b"%PDF-1.4\n%%EOF\n"


def limited(door: Door, login: str, scope: Iterable[str]) -> httpx.Client:
    door.ready(login)
    token = door.database.transact(lambda tx: signin.issue_token(tx, TESTER, login, scope=scope))
    return httpx.Client(base_url=door.url + "/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=30)


def refused(answer: httpx.Response) -> bool:
    return answer.status_code == 403 and answer.json()["error"]["code"] == "token_scope"


def test_each_scope_gives_its_part_and_no_more(door_on: Door) -> None:
    (ds,) = make.ct_study(instances=1)
    door_on.store(ds)
    rejection = f"/exams/{ds.StudyInstanceUID}/rejection"
    site = {"id": "west", "name": "West"}
    file = {"file": ("a.dcm", make.part10(make.ct_study(instances=1)[0]))}

    read = limited(door_on, "administrator", ["read"])
    assert read.get("/exams").json()["total"] == 1
    assert read.get("/system").status_code == 200
    for answer in (read.post("/uploads", files=file), read.post("/sites", json=site), read.post(rejection, json={"code": "113001"})):
        assert refused(answer), answer.text

    store = limited(door_on, "administrator", ["store"])
    assert store.post("/uploads", files=file).json()["items"][0]["fate"] == "stored"
    for answer in (store.get("/exams"), store.get(f"/exams/{ds.StudyInstanceUID}"), store.post("/sites", json=site)):
        assert refused(answer), answer.text
    attached = store.post("/uploads", data={"study_uid": str(ds.StudyInstanceUID)}, files={"file": ("p.pdf", PDF)})
    assert attached.json()["items"][0]["reason"] == "token_scope"

    admin = limited(door_on, "administrator", ["admin"])
    assert admin.post("/sites", json=site).status_code == 201
    for answer in (admin.get("/system"), admin.post("/uploads", files=file), admin.post(rejection, json={"code": "113001"})):
        assert refused(answer), answer.text
    both = limited(door_on, "administrator", ["read", "admin"])
    assert both.post(rejection, json={"code": "113001"}).status_code == 201


def test_a_scope_never_gives_more_than_the_role(door: Door) -> None:
    client = limited(door, "requesting_doctor", ["read", "store", "admin"])
    assert client.get("/session").json()["permissions"] == ["exam.download", "exam.read"]
    answer = client.get("/devices")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "no-right")


def test_a_limited_token_says_what_it_may_and_leaves_its_account_alone(door: Door) -> None:
    client = limited(door, "administrator", ["store"])
    assert client.get("/session").json()["permissions"] == ["exam.store"]
    assert refused(client.patch("/session", json={"locale": "en"}))
    assert refused(client.post("/session/password", json={"current": "x", "new": "y"}))
    whole = door.client("administrator").get("/session").json()["permissions"]
    assert set(whole) == sharing.permissions_of("administrator")


def test_every_permission_is_in_one_scope() -> None:
    words = [permission for rights in sharing.TOKEN_SCOPES.values() for permission in rights]
    assert sorted(words) == sorted(sharing.permissions_of(directory.Role.ADMINISTRATOR))
    assert sharing.token_scope(["admin", "read", "read"]) == "read admin"
    with pytest.raises(Invalid):
        sharing.token_scope(["read", "everything"])


def test_the_command_prints_a_limited_token_alone_and_dicomweb_keeps_to_it(platform_on: Platform) -> None:
    platform_on.account("script", "archive_operator")
    done = platform_on.command("token", "script", "--scope", "read")
    assert done.stdout.strip().startswith("ak_") and len(done.stdout.split()) == 1
    assert platform_on.command("token", "script", "--scope", "write", check=False).returncode != 0
    store_only = platform_on.command("token", "script", "--scope", "store").stdout.strip()
    platform_on.start()
    part = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + make.part10(make.ct_study(instances=1)[0]) + b"\r\n--b--\r\n"
    stow = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=b', "Accept": "application/dicom+json"}
    with httpx.Client(base_url=platform_on.url + "/dicom-web", timeout=30) as client:
        reads, stores = ({"Authorization": f"Bearer {token}"} for token in (done.stdout.strip(), store_only))
        assert client.post("/studies", content=part, headers=stow | stores).status_code == 200
        assert refused(client.post("/studies", content=part, headers=stow | reads))
        assert len(client.get("/studies", headers=reads | {"Accept": "application/dicom+json"}).json()) == 1
        assert refused(client.get("/studies", headers=stores))
