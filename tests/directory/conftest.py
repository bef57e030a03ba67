"""The fixtures of the rooms of people and rights."""

from tests.signin.conftest import clock, database

__all__ = ["clock", "database"]
