"""Kit: the mechanisms that every room stands on.

Standards: none; this is the ground.
Owns:      kit_change, kit_follower, kit_parked, kit_job
Offers:    database, blobs, spool, disk, failures, feed, jobs, scope, settings, clock, ids, errors, logs, metrics
Emits:     nothing of its own
Follows:   nothing
"""
