"""Runs Python so that it can write to no file at all: `python -m tests.infra.confined ARGUMENTS OF PYTHON`.

A file may have no bytes, and even root needs a folder's permission to make one in it.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys

_DROP_FROM_BOUNDING_SET = 24
_OVERRIDES = (1, 2, 3)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER


def main() -> None:
    """Give up what would let it write, for good, and go on as Python with the arguments."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in _OVERRIDES:
            if libc.prctl(_DROP_FROM_BOUNDING_SET, capability, 0, 0, 0):
                raise OSError(ctypes.get_errno(), "cannot give up a capability")
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])


if __name__ == "__main__":
    main()
