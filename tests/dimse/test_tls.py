"""DICOM over TLS: certificates on both ends."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import Dataset
from pynetdicom.dsutils import encode

from archipel import dimse
from archipel.dicom import sop_classes
from archipel.kit.errors import Invalid, Unavailable
from archipel.kit.settings import DicomSettings
from tests import make
from tests.authority import Authority
from tests.dimse.peers import CT, EXPLICIT, IMPLICIT, VERIFICATION, Raw, call, ours, store
from tests.dimse.region import Region
from tests.servers import Dcmtk


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "region")


def settings(authority: Authority, common: str) -> DicomSettings:
    certificate, key = authority.sign(common)
    return DicomSettings(tls_port=0, tls_certificate=certificate, tls_key=key, tls_client_ca=str(authority.path))


@pytest.fixture
def secured(make_region: Callable[..., Region], authority: Authority) -> Region:
    contexts = dimse.tls_contexts(settings(authority, "archipel"))
    region = make_region(tls=contexts.server, tls_client=contexts.client)
    region.device("MODALITY")
    return region


def client(authority: Authority, common: str = "modality") -> ssl.SSLContext:
    context = dimse.tls_contexts(settings(authority, common)).client
    assert context is not None
    return context


def test_a_device_with_a_certificate_is_served(secured: Region, authority: Authority) -> None:
    (ds,) = make.ct_study(instances=1, size=256)
    with ours(secured, [(VERIFICATION, [IMPLICIT]), (CT, [EXPLICIT])], tls=client(authority)) as association:
        assert association.echo().status == 0
        assert association.store(CT, ds.SOPInstanceUID, EXPLICIT, [encode(ds, False, True) or b""]).status == 0
    assert secured.stored() == {ds.SOPInstanceUID}


def test_dcmtk_is_served_over_tls(secured: Region, authority: Authority, dcmtk: Dcmtk, tmp_path: Path) -> None:
    certificate, key = authority.sign("dcmtk")
    paths = make.files(make.ct_study(instances=5, size=128), tmp_path)
    tls = ("+tls", key, certificate, "+cf", authority.path, "-aet", "MODALITY", "-aec", secured.aet)
    dcmtk.run("storescu", *tls, "127.0.0.1", secured.port, *paths)
    assert len(secured.stored()) == 5


def test_a_device_without_a_certificate_or_with_a_foreign_one_is_not_heard(secured: Region, authority: Authority, tmp_path: Path) -> None:
    bare = ssl.create_default_context(cafile=str(authority.path))
    bare.check_hostname = False
    (tmp_path / "foreign").mkdir()
    foreign = client(Authority(tmp_path / "foreign", "foreign"))
    foreign.load_verify_locations(str(authority.path))
    for context in (bare, foreign):
        with pytest.raises(Unavailable):
            ours(secured, [(VERIFICATION, [IMPLICIT])], tls=context).open()
    with Raw(secured) as raw:
        assert raw.associate([]) is None  # plain DICOM on the TLS port
    assert secured.door.associations() == []


def test_we_call_a_device_that_asks_for_tls(make_region: Callable[..., Region], secured: Region, authority: Authority) -> None:
    contexts = dimse.tls_contexts(settings(authority, "sender"))
    sender = make_region(tls_client=contexts.client)
    sender.device("MODALITY")
    sender.device("ARCHIPEL", secured.port, tls=True)
    secured.device("ARCHIPEL")
    study = make.ct_study(instances=2)
    store(sender, study)
    association = call(sender, [(sop_classes.STUDY_MOVE, [EXPLICIT])])
    asked = Dataset()
    asked.QueryRetrieveLevel, asked.StudyInstanceUID = "STUDY", study[0].StudyInstanceUID
    final = list(association.send_c_move(asked, "ARCHIPEL", sop_classes.STUDY_MOVE))[-1][0]
    association.release()
    assert final.Status == 0
    assert secured.stored() == {ds.SOPInstanceUID for ds in study}


def test_half_a_configuration_refuses_to_start(authority: Authority) -> None:
    certificate, key = authority.sign("half")
    with pytest.raises(Invalid):
        dimse.tls_contexts(DicomSettings(tls_port=2762))
    with pytest.raises(Invalid):
        dimse.tls_contexts(DicomSettings(tls_certificate=certificate, tls_key=key))
    with pytest.raises(Invalid):
        dimse.tls_contexts(DicomSettings(tls_certificate=certificate, tls_key=certificate, tls_client_ca=str(authority.path)))
    assert dimse.tls_contexts(DicomSettings()) == dimse.TlsContexts()
