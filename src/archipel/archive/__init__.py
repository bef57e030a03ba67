"""Archive: the patient-study-series-instance record and its bytes.

Standards: PS3.3 C.7, PS3.4 B and C, PS3.10; IHE IOCM
Owns:      archive_patient, archive_study, archive_series, archive_instance, archive_sealed, archive_sealed_uid, archive_let_go,
           archive_copy, archive_quiet, archive_conflict, archive_doubted, archive_rejection, archive_note_refused, archive_verified,
           archive_damage
Offers:    Receiver, find, locate, part10, dataset, exams, conflicts, resolve, reject, seal_study, verify, rebuild
Emits:     InstanceStored, StudySettled, SeriesSealed, InstanceRejected, RejectionRevoked, ConflictFound, ConflictResolved
Follows:   InstanceStored, StudySettled, ConflictResolved (own: quiet timer, rejection notes, persons, sealing)
"""

from archipel.archive.conflicts import Conflict, Difference, conflict_with_id, conflicts, count_conflicts, resolve, same_pixels
from archipel.archive.copy import Copier, mend_from_copy
from archipel.archive.exams import Exam, Series, exam, exams, patients_of, series_of, study_count_of_site, totals
from archipel.archive.figures import figures, volume
from archipel.archive.find import DEFAULTS, DERIVED_PATHS, find, header_values
from archipel.archive.follow import followers
from archipel.archive.headers import bulk_data_url, header_bytes, header_row
from archipel.archive.intake import IntakeLimits, Refusal, kind_of, walk_file
from archipel.archive.model import ConflictKind, Fate, Flag, Incoming, InstanceRef, Level, Outcome, Page, Place, Query, Source
from archipel.archive.rebuild import rebuild, rebuild_objects
from archipel.archive.receiver import Receiver
from archipel.archive.reject import REASONS, Rejection, reject, rejections, revoke_rejections, standing_rejection
from archipel.archive.rejection_note import KEY_OBJECT_SELECTION, make_note, note_bytes, note_ref, own_note
from archipel.archive.retrieve import codestream, codestream_lengths, dataset, dataset_range, headers_of, locate, part10, stored_end
from archipel.archive.scrub import Checked, Damage, Pace, Scrubber, object_keys, orphans, scrubbed, verify
from archipel.archive.seal import SEAL_JOB, SEALED_FOLDER, Leftovers, seal_study
from archipel.archive.settle import settle_due
from archipel.archive.sweep import Sweeper

__all__ = [
    "DEFAULTS", "DERIVED_PATHS", "KEY_OBJECT_SELECTION", "REASONS", "SEALED_FOLDER", "SEAL_JOB", "Checked", "Conflict", "ConflictKind",
    "Copier", "Damage", "Difference", "Exam", "Fate", "Flag", "Incoming", "InstanceRef", "IntakeLimits", "Leftovers", "Level", "Outcome",
    "Pace", "Page", "Place", "Query", "Receiver", "Refusal", "Rejection", "Scrubber", "Series", "Source", "Sweeper", "bulk_data_url",
    "codestream", "codestream_lengths", "conflict_with_id", "conflicts", "count_conflicts", "dataset", "dataset_range", "exam", "exams",
    "figures", "find", "followers", "header_bytes", "header_row", "header_values", "headers_of", "kind_of", "locate", "make_note",
    "mend_from_copy", "note_bytes", "note_ref", "object_keys", "orphans", "own_note", "part10", "patients_of", "rebuild", "rebuild_objects",
    "reject", "rejections", "resolve", "revoke_rejections", "same_pixels", "scrubbed", "seal_study", "series_of", "settle_due",
    "standing_rejection", "stored_end", "study_count_of_site", "totals", "verify", "volume", "walk_file",
]  # fmt: skip
