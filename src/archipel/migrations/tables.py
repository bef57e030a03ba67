"""The tables of all rooms together: what the sequence of migrations must add up to."""

import archipel.archive.rows
import archipel.archive.rows_copies
import archipel.archive.rows_doubt
import archipel.archive.rows_review
import archipel.archive.rows_scrub
import archipel.archive.rows_sealed
import archipel.audit.rows
import archipel.audit.rows_chain
import archipel.directory.rows
import archipel.directory.rows_controls
import archipel.directory.rows_hl7
import archipel.directory.rows_people
import archipel.distribution.rows
import archipel.identity.rows
import archipel.mllp.rows
import archipel.signin.rows
import archipel.signin.rows_factors
import archipel.web.rows  # noqa: F401
from archipel.kit.rows import metadata

__all__ = ["metadata"]
