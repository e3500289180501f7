"""Errors of the program; each class has its exit code.

    TitansError           1   anything that went wrong; the message is for people
    ├── UsageError        2   the command line asks for what cannot be
    ├── NoStoreError     10   nothing was memorized here yet
    ├── LockedError      11   another titans is writing to the store
    ├── DamagedError     12   a file of the store or an export is not what it should be
    └── TooNewError      13   written by a newer program or by other model weights

Exit code 3 (done, but some sources failed) and 130 (interrupted) are outcomes, not errors.
"""

__all__ = ["PARTLY_FAILED", "DamagedError", "LockedError", "NoStoreError", "TitansError", "TooNewError", "UsageError"]

PARTLY_FAILED = 3


class TitansError(Exception):
    """Root of the program's own errors. The message says what happened and what to do next."""

    exit_code = 1


class UsageError(TitansError):
    exit_code = 2


class NoStoreError(TitansError):
    exit_code = 10


class LockedError(TitansError):
    exit_code = 11


class DamagedError(TitansError):
    exit_code = 12


class TooNewError(TitansError):
    exit_code = 13
