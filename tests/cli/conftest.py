"""Fixtures for the tests of the command."""

from command import labs, refused

__all__ = ["labs", "refused"]
