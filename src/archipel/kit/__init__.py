"""Kit: the mechanisms that every room stands on.

Standards: none; this is the ground.
Owns:      kit_change, kit_follower, kit_parked, kit_job, kit_process, kit_minute
Offers:    database, blobs, spool, scratch, disk, failures, feed, jobs, scope, settings, clock, ids, errors, logs, metrics, traces,
           gauges, health, gate, processes
Emits:     nothing of its own
Follows:   nothing
"""
