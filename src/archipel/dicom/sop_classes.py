"""SOP classes and transfer syntaxes by the part that they play on a DICOM association."""

from __future__ import annotations

from pydicom._uid_dict import UID_dictionary

VERIFICATION = "1.2.840.10008.1.1"
STORAGE_COMMITMENT_PUSH = "1.2.840.10008.1.20.1"
STORAGE_COMMITMENT_PUSH_INSTANCE = "1.2.840.10008.1.20.1.1"

PATIENT_FIND, PATIENT_MOVE, PATIENT_GET = (f"1.2.840.10008.5.1.4.1.2.1.{n}" for n in (1, 2, 3))
STUDY_FIND, STUDY_MOVE, STUDY_GET = (f"1.2.840.10008.5.1.4.1.2.2.{n}" for n in (1, 2, 3))
PATIENT_STUDY_FIND, PATIENT_STUDY_MOVE, PATIENT_STUDY_GET = (f"1.2.840.10008.5.1.4.1.2.3.{n}" for n in (1, 2, 3))
FIND = frozenset({PATIENT_FIND, STUDY_FIND, PATIENT_STUDY_FIND})
MOVE = frozenset({PATIENT_MOVE, STUDY_MOVE, PATIENT_STUDY_MOVE})
GET = frozenset({PATIENT_GET, STUDY_GET, PATIENT_STUDY_GET})

# Every other UID under this root is a storage class: one that is younger than our dictionary is known by it.
STORAGE_ROOT = "1.2.840.10008.5.1.4.1.1."
_NOT_STORAGE = frozenset({"1.2.840.10008.1.3.10"})  # Media Storage Directory: exists in files only

STORAGE: frozenset[str] = frozenset(
    uid
    for uid, (name, kind, *_) in UID_dictionary.items()
    if kind == "SOP Class" and "Storage" in name and "Commitment" not in name and uid not in _NOT_STORAGE
)
_OTHER_UNDER_ROOT = frozenset(
    uid for uid, (name, *_) in UID_dictionary.items() if name and uid.startswith(STORAGE_ROOT) and uid not in STORAGE
)

# Private classes that modalities in the field send; a site adds its own by setting.
# Siemens CSA non-image and AX frame sets; Philips private MR, XA, ECG and CT; GE; Fuji CR; Toshiba US.
PRIVATE_STORAGE: frozenset[str] = frozenset(
    {
        "1.3.12.2.1107.5.9.1",
        "1.3.12.2.1107.5.99.3.10",
        "1.3.12.2.1107.5.99.3.11",
        "1.3.46.670589.2.3.1.1",
        "1.3.46.670589.2.4.1.1",
        "1.3.46.670589.2.5.1.1",
        "1.3.46.670589.5.0.1",
        "1.3.46.670589.5.0.1.1",
        "1.3.46.670589.5.0.2",
        "1.3.46.670589.5.0.2.1",
        "1.3.46.670589.5.0.3",
        "1.3.46.670589.5.0.3.1",
        "1.3.46.670589.5.0.4",
        "1.3.46.670589.5.0.8",
        "1.3.46.670589.5.0.9",
        "1.3.46.670589.5.0.10",
        "1.3.46.670589.5.0.11",
        "1.3.46.670589.5.0.11.1",
        "1.3.46.670589.5.0.12",
        "1.3.46.670589.5.0.13",
        "1.3.46.670589.5.0.14",
        "1.3.46.670589.7.8.1618510091",
        "1.3.46.670589.11.0.0.12.1",
        "1.3.46.670589.11.0.0.12.2",
        "1.3.46.670589.11.0.0.12.4",
        "1.2.840.113619.4.2",
        "1.2.840.113619.4.3",
        "1.2.840.113619.4.26",
        "1.2.840.113619.4.27",
        "1.2.840.113619.4.30",
        "1.2.392.200036.9125.1.1.2",
        "1.2.392.200036.9116.7.8.1.1.1",
    }
)

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
DEFLATED_LITTLE = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
UNCOMPRESSED = (EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG)

# Referenced pixel data (JPIP), live video (SMPTE 2110), MIME, XML and Papyrus carry no instance that could be kept.
_NOT_KEPT = ("JPIP", "SMPTE", "MIME", "XML", "Papyrus")
STORAGE_SYNTAXES: frozenset[str] = frozenset(
    uid for uid, (name, kind, *_) in UID_dictionary.items() if kind == "Transfer Syntax" and not any(word in name for word in _NOT_KEPT)
)


def is_standard_storage(uid: str) -> bool:
    """Whether the standard has, or may have since our dictionary was made, a storage class with this UID."""
    return uid in STORAGE or (uid.startswith(STORAGE_ROOT) and uid not in _OTHER_UNDER_ROOT)
