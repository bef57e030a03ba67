"""HL7: knowledge of version 2 messages that needs no database: text, types, framing, acknowledgements, what an ADT says.

Standards: HL7 v2.5.1 chapters 2 (control), 2.A (data types), 3 (patient administration); MLLP release 1;
           IHE ITI-8, ITI-30, ITI-31; IHE PAM France 2.11
Owns:      nothing; no tables, no I/O but the sockets of its client
Offers:    modules: er7 escape charset types moment tables problems ack mllp mllp_client adt adt_model adt_patient adt_visit
Emits:     -
Follows:   -
"""
