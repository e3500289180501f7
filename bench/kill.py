"""P5, nothing is lost: every operation on a store is killed at random moments and meets failing disks; then it is run again.

    python bench/kill.py --count 200 --work /dev/shm/kill        kill -9, half by time and half by number of the write-like call
    python bench/kill.py --faults --work /dev/shm/kill           full disk, EIO, failed fsync, failed rename, at every write-like call

Linux with a C compiler.
"""

import argparse
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "fault_injection"))

from lab import enter


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for stores; what is in it goes")
    parser.add_argument("--count", type=int, help="kills of each operation (200), or calls that meet each fault (all)")
    parser.add_argument("--faults", action="store_true", help="failing calls instead of kills")
    parser.add_argument("--only", action="append", help="names of operations")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    work = arguments.work.absolute()
    enter(work)

    from common import report
    from experiments import inject, kill
    from operations import OPERATIONS, Workshop

    workshop = Workshop(work)
    chance = random.Random(arguments.seed)
    tallies = []
    for operation in OPERATIONS:
        if arguments.only and operation.name not in arguments.only:
            continue
        if arguments.faults:
            tallies += inject(workshop, operation, arguments.count, chance)
        else:
            tallies.append(kill(workshop, operation, arguments.count or 200, chance))
        print(operation.name, sum(len(tally.wrong) for tally in tallies), file=sys.stderr, flush=True)
    rows = [
        {
            "operation": tally.operation,
            "what": tally.what,
            "runs": tally.runs,
            "finished": tally.finished,
            "store sound": tally.sound,
            "old or new": tally.old_or_new,
            "equal after re-run": tally.equal,
            "wrong": len(tally.wrong),
        }
        for tally in tallies
    ]
    report("faults" if arguments.faults else "kill", rows, seed=arguments.seed, count=arguments.count, work=str(work))
    for tally in tallies:
        for line in tally.wrong[:20]:
            print(f"{tally.operation}: {line}")
    return int(any(tally.wrong for tally in tallies))


if __name__ == "__main__":
    sys.exit(main())
