"""Whole conversations with bytes changed, cut and repeated: the door answers or drops them, and serves the next."""

from __future__ import annotations

import random
import time

import pytest
from pydicom import Dataset
from pynetdicom.dsutils import encode

from archipel.dicom import message, pdu, sop_classes
from archipel.dicom.message import Command
from archipel.dicom.pdu import ProposedContext, RoleSelection
from tests import fuzzing, make
from tests.dimse.peers import CT, EXPLICIT, Raw, store, until
from tests.dimse.region import Region

FUZZ_SECONDS = fuzzing.FUZZ_SECONDS
MODELS = (CT, sop_classes.STUDY_FIND, sop_classes.STUDY_MOVE, sop_classes.STUDY_GET, sop_classes.STORAGE_COMMITMENT_PUSH)


def conversation() -> list[bytes]:
    """Every service asked once on one association, as PDUs in order."""
    contexts = tuple(ProposedContext(2 * n + 1, uid, (EXPLICIT,)) for n, uid in enumerate(MODELS))
    user = pdu.UserInformation(16384, "1.2.3", "FUZZ", roles=(RoleSelection(CT, True, True),))
    (ds,) = make.ct_study(instances=1)
    asked = Dataset()
    asked.QueryRetrieveLevel, asked.StudyInstanceUID, asked.PatientName = "STUDY", ds.StudyInstanceUID, ""
    identifier = encode(asked, False, True) or b""
    commands = [
        (1, Command(message.C_STORE_RQ, 1, affected_class_uid=CT, affected_instance_uid=ds.SOPInstanceUID), encode(ds, False, True) or b""),
        (3, Command(message.C_FIND_RQ, 2, affected_class_uid=MODELS[1]), identifier),
        (5, Command(message.C_MOVE_RQ, 3, affected_class_uid=MODELS[2], move_destination="MODALITY"), identifier),
        (7, Command(message.C_GET_RQ, 4, affected_class_uid=MODELS[3]), identifier),
        (9, Command(message.N_ACTION_RQ, 5, requested_class_uid=MODELS[4], action_type=1), identifier),
    ]
    out = [pdu.encode(pdu.AssociateRequest("ARCHIPEL", "MODALITY", contexts, user))]
    for context_id, command, dataset in commands:
        command.has_dataset = True
        out += [message.command_pdus(context_id, command, 16378), *message.dataset_pdus(context_id, [dataset], 300)]
        out.append(message.command_pdus(context_id, Command(message.C_CANCEL_RQ, responded_to=command.message_id), 16378))
    return [*out, pdu.encode(pdu.ReleaseRequest())]


def damage(parts: list[bytes], chance: random.Random) -> bytes:
    """The conversation with something wrong in it."""
    parts = list(parts)
    for _ in range(chance.randrange(1, 5)):
        place = chance.randrange(len(parts))
        one = bytearray(parts[place])
        match chance.randrange(5):
            case 0 | 1:
                one[chance.randrange(len(one))] = chance.randrange(256)
            case 2:
                del one[chance.randrange(len(one)) :]
            case 3:
                one[chance.randrange(len(one)) :] = chance.randbytes(chance.randrange(40))
            case _:
                one += parts[chance.randrange(len(parts))]
        parts[place] = bytes(one) or b"\0"
    return b"".join(parts)


def converse(region: Region, chance: random.Random) -> None:
    with Raw(region) as raw:
        raw.send(damage(conversation(), chance))
        if chance.random() < 0.5:
            raw.socket.settimeout(0.05)
            try:
                while raw.socket.recv(65536):
                    pass
            except OSError:
                pass


def check(region: Region) -> None:
    until(lambda: region.door.associations() == [], seconds=60)
    assert region.spool_files() == []
    until(lambda: region.spool.used_bytes == 0)
    store(region, make.ct_study(instances=1))


def test_damaged_conversations_never_harm_the_door(region: Region) -> None:
    chance = random.Random(11)
    for _ in range(60):
        converse(region, chance)
    check(region)


@pytest.mark.fuzz
@pytest.mark.timeout(FUZZ_SECONDS + 120)
def test_long_fuzz_of_conversations(region: Region) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance, until_s = random.Random(seed), time.monotonic() + FUZZ_SECONDS
    while time.monotonic() < until_s:
        for _ in range(50):
            converse(region, chance)
        check(region)
