"""`python -m tests.benchmarks [book] [apply] [run]`: measure (all, if none is named) and keep the results as text."""

import sys

from tests.benchmarks import apply, book, run

BENCHMARKS = {"book": book.run, "apply": apply.run, "run": run.run}

if __name__ == "__main__":
    unknown = [name for name in sys.argv[1:] if name not in BENCHMARKS]
    if unknown:
        sys.exit(f"No benchmark is called {unknown[0]}. There are: {', '.join(BENCHMARKS)}.")
    for name in sys.argv[1:] or BENCHMARKS:
        BENCHMARKS[name]()
