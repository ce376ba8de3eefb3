"""What a disk refuses, recognised whichever library reports it: Python's OSError has a number, libraries in Rust a text."""

from __future__ import annotations

import errno
import re

_FULL = {errno.ENOSPC, errno.EDQUOT}
_READ_ONLY = {errno.EACCES, errno.EROFS, errno.EPERM}
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


def error_number(error: BaseException) -> int | None:
    """The errno of an error, or the number in a text such as "No space left on device (os error 28)"."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    found = re.search(r"\(os error (\d+)\)", str(error))
    return int(found[1]) if found else None


def is_full(error: BaseException) -> bool:
    """Did the disk, or the user's quota on it, run out?"""
    return error_number(error) in _FULL


def is_read_only(error: BaseException) -> bool:
    """Was writing forbidden?"""
    return error_number(error) in _READ_ONLY


def has_no_locks(error: BaseException) -> bool:
    """Does the file system, a network disk perhaps, have no locks?"""
    return error_number(error) in _NO_LOCKS
