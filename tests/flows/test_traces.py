"""The platform as a process of its own sends the spans of its doors and of its work, and nothing of a patient."""

from __future__ import annotations

import signal

import httpx

from tests import make
from tests.collector import Collector
from tests.dimse.peers import CT, EXPLICIT, call, send
from tests.flows.test_first_road import Door
from tests.platform import Platform
from tests.servers import Backend, wait_until

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_every_kind_of_work_is_a_span_and_no_span_names_a_person(platform_on: Platform, backend: Backend) -> None:
    platform = platform_on
    study = make.ct_study(instances=2, PatientName="Durand^Zoe", PatientID="DURAND-4711")
    with Collector() as collector:
        platform.environment |= {"ARCHIPEL_TRACES__OTLP_URL": collector.url}
        platform.device("MODALITY")
        platform.start()
        association = call(Door(platform.dicom_port, platform.aet), [(CT, [EXPLICIT])])
        assert [send(association, ds).Status for ds in study] == [0] * len(study)
        association.release()
        wait_until(lambda: "follow archive.quiet_timer" in collector.spans, seconds=20)
        headers = {
            "Authorization": f"Bearer {platform.token()}",
            "traceparent": f"00-{TRACE}-{PARENT}-01",
            "Accept": "application/dicom+json",
        }
        answer = httpx.get(f"{platform.url}/dicom-web/studies?PatientName=Durand*", headers=headers)
        assert len(answer.json()) == 1
        assert platform.stop(signal.SIGTERM) == 0
    names = set(collector.spans)
    s3 = backend.blobs_url.startswith("s3")
    assert {"dimse C-STORE", "group commit", "dicomweb QIDO", "follow archive.quiet_timer"} <= names
    assert ("s3 put" in names) is s3
    assert collector.spans["dicomweb QIDO"].trace_id.hex() == TRACE
    assert answer.headers["traceparent"].split("-")[1] == TRACE
    assert b"durand" not in b"".join(span.SerializeToString() for span in collector.spans.values()).lower()
