"""`python -m tests.benchmarks [NAME ...]`: measure (all, if none is named) and keep the results as text.

`python -m tests.benchmarks storms SCENARIO ...` measures storms of one's own choice.
"""

import sys

from tests.benchmarks import apply, book, exactly_once, latency, peers, processes, recovery, run, storms
from tests.benchmarks.on_kafka import NoBrokerHere

BENCHMARKS = {
    "book": book.run,
    "apply": apply.run,
    "peers": peers.run,
    "run": run.run,
    "storms": storms.run,
    "exactly_once": exactly_once.run,
    "latency": latency.run,
    "recovery": recovery.run,
    "processes": processes.run,
}

if __name__ == "__main__":
    if sys.argv[1:2] == ["storms"]:
        storms.run(sys.argv[2:])
        sys.exit()
    unknown = [name for name in sys.argv[1:] if name not in BENCHMARKS]
    if unknown:
        sys.exit(f"No benchmark is called {unknown[0]}. There are: {', '.join(BENCHMARKS)}.")
    for name in sys.argv[1:] or BENCHMARKS:
        try:
            BENCHMARKS[name]()
        except NoBrokerHere as why:
            sys.stderr.write(f"{name} is not measured: {why}\n")
