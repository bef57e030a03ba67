"""Tests: folders mirror the rooms of the platform; flows, doors, conformance, faults and house stand beside them."""
