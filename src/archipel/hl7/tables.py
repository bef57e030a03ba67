"""OIDs and value sets that messages are read with, each with its source. What is unverified warns at most and decides nothing.

Sources: [INS] the FR Core profile of the patient with INS; [FRC] code systems of FR Core that copy tables of IHE PAM France (0445, proofs);
[EX] the national examples (PAM.FR consents, teleradiology, document transmission); [IMPL] field lists of PAM.FR 2.11 in independent open
implementations: the text of PAM.FR itself has not been compared; [HL7] HL7 v2.5.1 appendix A, from general knowledge of the standard.
"""

from __future__ import annotations

from dataclasses import dataclass

INS_NIR = "1.2.250.1.213.1.4.8"  # [INS]
INS_NIA = "1.2.250.1.213.1.4.9"  # [INS]
INS_NIR_TEST = "1.2.250.1.213.1.4.10"  # [INS]
INS_NIR_DEMO = "1.2.250.1.213.1.4.11"  # [INS]
INS_OIDS = {INS_NIR: "NIR", INS_NIA: "NIA", INS_NIR_TEST: "NIR", INS_NIR_DEMO: "NIR"}
"""Kind of number by the OID of its authority."""
INS_TEST_OIDS = frozenset({INS_NIR_TEST, INS_NIR_DEMO})
"""Numbers of these never stand for a real person."""

PROFESSIONALS = "1.2.250.1.71.4.2.1"  # [EX] ASIP-SANTE-PS: RPPS, ADELI, and the national id "IDNPS" that is "8" and the RPPS
STRUCTURES = "1.2.250.1.71.4.2.2"  # [EX] ASIP-SANTE-ST: FINESS

RELIABILITY = {
    "VIDE": "not yet qualified",
    "PROV": "provisional",
    "VALI": "validated",
    "DOUB": "duplicate",
    "DPOT": "possible duplicate",
    "DOUA": "proven duplicate",
    "DESA": "disabled",
    "COLP": "possible collision",
    "COLV": "proven collision",
    "FILI": "filiation",
    "CACH": "hidden",
    "ANOM": "anonymous",
    "IDVER": "verified by the patient",
    "RECD": "received from another domain",
    "IDRA": "matched in another domain",
    "USUR": "usurped",
    "HOMD": "homonym detected",
    "HOMA": "homonym proven",
    "INVA": "invalidated",
    "FICT": "fictitious",
    "DOUT": "doubtful",
}
"""PID-32, table 0445 with its French values [FRC]."""

FLAGS = {
    "HOMD": "homonym",
    "HOMA": "homonym",
    "DOUT": "doubtful",
    "FICT": "fictitious",
    "CACH": "hidden",
    "ANOM": "anonymous",
    "USUR": "usurped",
    "DOUB": "duplicate",
    "DPOT": "duplicate",
    "DOUA": "duplicate",
    "COLP": "collision",
    "COLV": "collision",
    "DESA": "disabled",
    "INVA": "invalidated",
}
"""The word for a code of PID-32 that is an attribute of the identity, beside its status."""

IDENTITY_MODES = {"SM": "typed", "CV": "carte Vitale", "INSI": "INSi", "CB": "bar code", "RFID": "RFID", "AV": "application carte Vitale"}
"""ZFD-5 [IMPL]; AV is unverified."""

IDENTITY_PROOFS = {
    "AN": "extract of the birth certificate",
    "AC": "birth certificate",
    "CC": "carnet de circulation",
    "CE": "European card",
    "CM": "military card",
    "CN": "national identity card",
    "CS": "residence permit",
    "DC": "document of a foreign minor",
    "IE": "eIDAS",
    "LE": "livret de famille",
    "PA": "passport",
    "PC": "driving licence",
    "TC": "trusted third party",
    "AV": "application carte Vitale",
}
"""ZFD-7 [FRC]; AV and IE were announced for it and are unverified."""

SEXES = frozenset("AFMNOU")  # table 0001 [HL7]
PATIENT_CLASSES = frozenset("BCEINOPRU")  # table 0004 [HL7]
MOVEMENT_ACTIONS = frozenset({"INSERT", "UPDATE", "CANCEL"})  # ZBE-4, IHE ITI-31 [EX] [IMPL]
ZFA_FEEDING = {"INO": "informed, does not oppose", "IO": "informed, opposes", "NA": "not asked"}  # ZFA-9 [EX]; NA is unverified
ZFA_CONSULTATION = {"IC": "informed, consents", "INC": "informed, refuses", "NA": "not asked"}  # ZFA-11 [EX]
BIRTH_PLACE = "BDL"  # XAD-7, birth delivery location, its INSEE code in XAD-9 [EX]


@dataclass(frozen=True, slots=True)
class Trigger:
    """What an ADT event is about: the identity alone or a visit, and what it does.

    ``act``: create, update, merge, link, unlink, change_id (identity); admit, register, preadmit, transfer, discharge, leave, return,
    class, doctor, pending, movement (visit). ``cancels`` is the trigger that this one takes back.
    """

    act: str
    visit: bool = True
    prior: bool = False
    """Whether an MRG segment names prior identifiers."""
    cancels: str = ""


TRIGGERS = {
    "A01": Trigger("admit"),
    "A02": Trigger("transfer"),
    "A03": Trigger("discharge"),
    "A04": Trigger("register"),
    "A05": Trigger("preadmit"),
    "A06": Trigger("class"),
    "A07": Trigger("class"),
    "A08": Trigger("update"),
    "A11": Trigger("cancel", cancels="A01"),
    "A12": Trigger("cancel", cancels="A02"),
    "A13": Trigger("cancel", cancels="A03"),
    "A14": Trigger("pending"),
    "A15": Trigger("pending"),
    "A16": Trigger("pending"),
    "A21": Trigger("leave"),
    "A22": Trigger("return"),
    "A24": Trigger("link", visit=False),
    "A25": Trigger("cancel", cancels="A16"),
    "A26": Trigger("cancel", cancels="A15"),
    "A27": Trigger("cancel", cancels="A14"),
    "A28": Trigger("create", visit=False),
    "A31": Trigger("update", visit=False),
    "A37": Trigger("unlink", visit=False),
    "A38": Trigger("cancel", cancels="A05"),
    "A40": Trigger("merge", visit=False, prior=True),
    "A44": Trigger("move_account", visit=False, prior=True),
    "A47": Trigger("change_id", visit=False, prior=True),
    "A52": Trigger("cancel", cancels="A21"),
    "A53": Trigger("cancel", cancels="A22"),
    "A54": Trigger("doctor"),
    "A55": Trigger("cancel", cancels="A54"),
    "Z99": Trigger("movement"),
}
"""HL7 v2.5.1 3.3, IHE ITI-8, ITI-30 and ITI-31 (Z99: a movement of the past is corrected) [HL7]."""


def nir_key(number: str) -> str | None:
    """The two digits that belong to the 13 characters of a NIR or NIA; None when they are none. Unverified: it warns, it decides nothing.

    97 less the number modulo 97, Corsica's 2A and 2B read as 19 and 18.
    """
    digits = number[:5] + number[5:7].replace("2A", "19").replace("2B", "18") + number[7:]
    return f"{97 - int(digits) % 97:02d}" if len(digits) == 13 and digits.isascii() and digits.isdigit() else None
