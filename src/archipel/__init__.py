"""Archipel: the medical-imaging platform of a region."""

__version__ = "0.1.0"
