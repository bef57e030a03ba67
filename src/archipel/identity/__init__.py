"""Identity: which records are of one person: local identifiers, INS, links, merges and their undoing, work list, matching.

Standards: IHE PIX and PDQ (ITI-8, ITI-9, ITI-21) for the words; RNIV (statuses, strict traits); HL7 v2.5.1 3.3.40 (A40)
Owns:      identity_person, identity_record, identity_decision, identity_proposal
Offers:    take, hear_adt, replace_id, link, unlink, undo, decide, proposals, find, person_of, persons_of, ids_of_person
Emits:     PersonsChanged
Follows:   nothing
"""

from archipel.identity.decisions import decision_with, decisions_of, link, record_with, replace_id, undo, unlink
from archipel.identity.find import find
from archipel.identity.hears import hear_adt
from archipel.identity.likeness import compare, concordant
from archipel.identity.model import Decision, DecisionKind, Ins, LocalId, Person, Proposal, ProposalState, Record, Seen, Status
from archipel.identity.model import Taken as Taken
from archipel.identity.model import Traits as Traits
from archipel.identity.model import Verdict as Verdict
from archipel.identity.persons import ids_of_person, person_of, person_with, persons_of, records_of
from archipel.identity.seen import take_seen as take
from archipel.identity.worklist import Beside, Pair, count_proposals, decide, pair_with, pairs_of, proposals

__all__ = [
    "Beside", "Decision", "DecisionKind", "Ins", "LocalId", "Pair", "Person", "Proposal", "ProposalState", "Record", "Seen", "Status",
    "Taken", "Traits", "Verdict", "compare", "concordant", "count_proposals", "decide", "decision_with", "decisions_of", "find",
    "hear_adt", "ids_of_person", "link", "pair_with", "pairs_of", "person_of", "person_with", "persons_of", "proposals", "record_with",
    "records_of", "replace_id", "take", "undo", "unlink",
]  # fmt: skip
