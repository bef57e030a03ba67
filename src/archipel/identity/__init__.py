"""Identity: which records are of one person: local identifiers, INS, links, merges and their undoing, work list, matching.

Standards: IHE PIX and PDQ (ITI-8, ITI-9, ITI-21) for the words; RNIV (statuses, strict traits); HL7 v2.5.1 3.3.40 (A40)
Owns:      identity_person, identity_record, identity_decision, identity_proposal
Offers:    take, replace_id, link, unlink, undo, person_of, persons_of, person_with, records_of, ids_of_person, compare, hear_adt
Emits:     PersonsChanged
Follows:   nothing
"""

from archipel.identity.decisions import link, replace_id, undo, unlink
from archipel.identity.hears import hear_adt
from archipel.identity.likeness import compare, concordant
from archipel.identity.model import (
    Decision,
    DecisionKind,
    Ins,
    LocalId,
    Person,
    Proposal,
    ProposalState,
    Record,
    Seen,
    Status,
    Taken,
    Traits,
    Verdict,
)
from archipel.identity.persons import ids_of_person, person_of, person_with, persons_of, records_of
from archipel.identity.seen import take_seen as take

__all__ = [
    "Decision", "DecisionKind", "Ins", "LocalId", "Person", "Proposal", "ProposalState", "Record", "Seen", "Status", "Taken", "Traits",
    "Verdict", "compare", "concordant", "hear_adt", "ids_of_person", "link", "person_of", "person_with", "persons_of", "records_of",
    "replace_id", "take", "undo", "unlink",
]  # fmt: skip
