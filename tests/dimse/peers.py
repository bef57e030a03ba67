"""Independent and hostile peers: pynetdicom as a requestor, and a socket that says what the test wants."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from typing import Any

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pynetdicom import AE, build_role
from pynetdicom.dsutils import encode

from archipel.dicom import message, pdu, scu

CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
EXPLICIT, IMPLICIT, BIG, DEFLATED = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
VERIFICATION = "1.2.840.10008.1.1"


def call(
    region: Any,
    contexts: Sequence[tuple[str, Sequence[str]]],
    *,
    ae_title: str = "MODALITY",
    called: str = "",
    as_scp: Sequence[str] = (),
    **options: Any,
) -> Any:
    """An association of pynetdicom; ``as_scp`` are the classes for which the role is reversed."""
    ae = AE(ae_title)
    for abstract, syntaxes in contexts:
        ae.add_requested_context(abstract, list(syntaxes))
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 15
    roles = [build_role(uid, scp_role=True) for uid in as_scp]
    return ae.associate("127.0.0.1", region.port, ae_title=called or region.aet, ext_neg=[*roles, *options.pop("ext_neg", [])], **options)


def send(association: Any, ds: Dataset, syntax: str = EXPLICIT) -> Dataset:
    """C-STORE by pynetdicom."""
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.set_original_encoding(syntax == IMPLICIT, True)
    return association.send_c_store(ds)


def ours(region: Any, contexts: Sequence[tuple[str, Sequence[str]]], *, ae_title: str = "MODALITY", **options: Any) -> scu.Association:
    """An association of our own requestor."""
    return scu.Association(scu.Peer("127.0.0.1", region.port, region.aet, ae_title, **options), contexts, limits=scu.Limits(5, 5, 20))


def store(region: Any, objects: Sequence[Dataset], syntax: str = EXPLICIT, *, ae_title: str = "MODALITY") -> None:
    """Put objects into the archive; every one must be stored."""
    classes = sorted({str(ds.SOPClassUID) for ds in objects})
    with ours(region, [(uid, [syntax]) for uid in classes], ae_title=ae_title) as association:
        for ds in objects:
            data = encode(ds, syntax == IMPLICIT, True) or b""
            assert association.store(ds.SOPClassUID, ds.SOPInstanceUID, syntax, [data]).status == 0


class Raw:
    """A peer at the level of bytes."""

    def __init__(self, region: Any, seconds: float = 10) -> None:
        self.socket = socket.create_connection(("127.0.0.1", region.port), timeout=seconds)

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read(self) -> pdu.Pdu | bytes | None:
        """The next PDU (data as bytes), or None when the door has closed."""
        head = self._exactly(6)
        if head is None:
            return None
        kind, length = pdu.read_head(head, 1 << 20)
        body = self._exactly(length) or b""
        return body if kind == pdu.P_DATA else pdu.decode(kind, body)

    def _exactly(self, count: int) -> bytes | None:
        data = b""
        while len(data) < count:
            try:
                more = self.socket.recv(count - len(data))
            except ConnectionResetError:
                return None
            if not more:
                return None
            data += more
        return data

    def associate(self, contexts: Sequence[pdu.ProposedContext], *, calling: str = "MODALITY", called: str = "ARCHIPEL") -> Any:
        """Ask for an association and give back the answer."""
        self.send(pdu.encode(pdu.AssociateRequest(called, calling, tuple(contexts), pdu.UserInformation(16384, "1.2.3"))))
        return self.read()

    def store_command(self, sop_instance_uid: str = "1.2.3", context_id: int = 1, sop_class_uid: str = CT) -> None:
        """The command of a C-STORE, without its dataset."""
        command = message.Command(
            message.C_STORE_RQ, message_id=1, affected_class_uid=sop_class_uid, affected_instance_uid=sop_instance_uid, priority=0,
            has_dataset=True,
        )  # fmt: skip
        self.send(message.command_pdus(context_id, command, 16378))


def until(condition: Any, seconds: float = 10) -> None:
    """Wait for a condition; fails when it does not come."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.02)
