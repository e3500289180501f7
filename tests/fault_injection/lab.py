"""Runs titans commands in forked processes that meet faults: killed at a moment, or a failing write-like call. Linux only.

A script calls ``enter`` before all else: it starts the script again with ``faults.c`` compiled and preloaded. The models are loaded
once; each experiment is a fork, so it takes a fraction of a second.
"""

import ctypes
import errno
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["COUNT", "FAULTS", "KILLS", "Ended", "Fault", "compile_shim", "enter", "fork"]

WRITE, SYNC, RENAME, UNLINK, MAKE = 1, 2, 4, 8, 16  # as in faults.c
EVERY = WRITE | SYNC | RENAME | UNLINK | MAKE
COUNT, FAIL, KILL, KILL_HALFWAY = range(4)


@dataclass(frozen=True)
class Fault:
    """What happens at the ``at``-th call of one of the ``kinds``."""

    name: str
    kinds: int
    action: int
    error: int = 0
    forever: bool = False  # at all later calls, too


COUNTING = Fault("none", EVERY, COUNT)
KILLS = (Fault("killed before the call", EVERY, KILL), Fault("killed after half a write", EVERY, KILL_HALFWAY))
FAULTS = (
    Fault("disk full from then on", WRITE | MAKE, FAIL, errno.ENOSPC, True),
    Fault("one call fails (EIO)", EVERY, FAIL, errno.EIO),
    Fault("all calls fail (EIO)", EVERY, FAIL, errno.EIO, True),
    Fault("one sync fails", SYNC, FAIL, errno.EIO),
    Fault("one rename fails", RENAME, FAIL, errno.EIO),
)


def compile_shim(folder: Path) -> Path:
    """The shared library made of ``faults.c``, below ``folder``."""
    library = folder / "libfaults.so"
    source = Path(__file__).with_name("faults.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o", library, source, "-ldl"], check=True)
    return library


def enter(work: Path) -> None:
    """Start this script again with the shim preloaded, and with one thread: only then is a fork of this process whole."""
    if "libfaults" in os.environ.get("LD_PRELOAD", ""):
        return
    work.mkdir(parents=True, exist_ok=True)
    settings = {"LD_PRELOAD": str(compile_shim(work)), "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1", "COLUMNS": "400"}
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **settings})


@dataclass(frozen=True)
class Ended:
    """How an experiment ended."""

    code: int  # of the process; minus the signal that killed it
    calls: int  # write-like ones that it made
    seconds: float
    said: str  # on stdout and stderr
    result: object = None  # what the function returned, by way of JSON


def fork(
    work: Path,
    function: Callable[[], object],
    folder: Path | None = None,
    fault: Fault = COUNTING,
    at: int = 0,
    seconds: float | None = None,
) -> Ended:
    """Run ``function`` in a fork that meets ``fault`` at the ``at``-th call below ``folder``, or is killed after ``seconds``."""
    said, left = work / "said", work / "left"
    left.unlink(missing_ok=True)
    begun = time.monotonic()
    child = os.fork()
    if not child:
        run_child(function, said, left, folder, fault, at)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    took = time.monotonic() - begun
    calls, result = json.loads(left.read_text()) if left.exists() else (0, None)
    return Ended(os.waitstatus_to_exitcode(status), calls, took, said.read_text(errors="replace") if said.exists() else "", result)


def run_child(function: Callable[[], object], said: Path, left: Path, folder: Path | None, fault: Fault, at: int) -> None:
    """The fork's whole life; never returns."""
    faults = ctypes.CDLL(None)
    output = os.open(said, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
    os.dup2(output, 1)
    os.dup2(output, 2)
    code, result = 0, None
    if folder is not None:
        faults.faults_arm(os.fsencode(folder), fault.kinds, ctypes.c_long(at), fault.action, fault.error, int(fault.forever))
    try:
        result = function()
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:
        traceback.print_exc()
        code = 1
    calls = faults.faults_disarm()
    sys.stdout.flush()
    sys.stderr.flush()
    left.write_text(json.dumps([calls, result]))
    os._exit(code)
