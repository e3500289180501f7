"""Runs Python without root's right to read and write every file: ``python tests/unprivileged.py -m titans_cli status``.

Other users have no such right; for them, this only starts Python. Linux.
"""

import ctypes
import os
import sys
from pathlib import Path

__all__ = ["UNPRIVILEGED"]

UNPRIVILEGED = (sys.executable, str(Path(__file__).absolute()))
"""What a command begins with that shall run so."""
DROP_FROM_BOUNDING_SET = 24  # PR_CAPBSET_DROP of prctl(2); what is not in that set, no program has that is started from here
OVERRIDE_PERMISSIONS, READ_AND_SEARCH = 1, 2  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH of capabilities(7)


def main() -> None:
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in (OVERRIDE_PERMISSIONS, READ_AND_SEARCH):
            if libc.prctl(DROP_FROM_BOUNDING_SET, capability, 0, 0, 0):
                raise OSError(ctypes.get_errno(), "Cannot give up the rights of root")
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])


if __name__ == "__main__":
    main()
