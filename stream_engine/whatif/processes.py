"""Processes: work that is done many times over, each time in a process of its own, so many at once.

Order     results stand in the order of the tasks, whichever ends first.
Fails     a task that raises, or whose process dies, is told with its reason; the others go on.
Stops     once `stop` says so, the processes are ended and what is done so far is given. Ctrl-C reaches this process
          alone; whoever works for it has ended within a second of its own end, however it ended.
"""

import os
import signal
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from multiprocessing import connection, get_all_start_methods, get_context
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

from msgspec import Struct

Task = TypeVar("Task")
Result = TypeVar("Result")

LOOK_EVERY_S = 0.1
SAY_EVERY_S = 0.5
ENDS_WITHIN_S = 2.0


class Failed(Exception):
    """Runs that did not come to their end; the text says which and why."""


class Done(Struct, Generic[Result]):
    """What became of a task: its result, or why there is none; neither: it was not begun or not finished."""

    result: Result | None = None
    why: str = ""


class Progress(Struct, frozen=True):
    """How far it is: of so many tasks so many are over, failed ones included; `whole` counts the begun ones by part."""

    tasks: int
    over: int
    failed: int
    whole: float


class _Worker(Struct):
    at: int
    process: BaseProcess
    part: float = 0.0


def cores() -> int:
    """How many processes this one may keep busy."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def over_processes(
    work: Callable[[Task, Callable[[float], None]], Result],
    tasks: Sequence[Task],
    jobs: int,
    told: Callable[[Progress], None] = lambda progress: None,
    stop: Callable[[], bool] = lambda: False,
) -> list[Done[Result]]:
    """Do the work of every task, `jobs` at a time; `told` is told several times a second how far it is."""
    # A process that is forked from one with threads may hang; each starts from one that has only imported the work.
    context: SpawnContext | ForkServerContext = get_context("spawn")
    if "forkserver" in get_all_start_methods():
        context = get_context("forkserver")
        context.set_forkserver_preload([work.__module__])
    done: list[Done[Result]] = [Done() for _ in tasks]
    waiting = deque(range(len(tasks)))
    workers: dict[connection.Connection, _Worker] = {}
    try:
        while (waiting or workers) and not stop():
            while waiting and len(workers) < jobs:
                at = waiting.popleft()
                here, there = context.Pipe(duplex=False)
                process = context.Process(target=_do, args=(work, tasks[at], there), daemon=True)
                process.start()
                there.close()
                workers[here] = _Worker(at, process)
            for each in connection.wait(list(workers), LOOK_EVERY_S):
                assert isinstance(each, connection.Connection)
                if _hear(each, workers[each], done):
                    workers.pop(each).process.join()
                    each.close()
            over = len(tasks) - len(waiting) - len(workers)
            failed = sum(bool(each.why) for each in done)
            told(Progress(len(tasks), over, failed, over + sum(each.part for each in workers.values())))
    finally:
        _end([each.process for each in workers.values()])
    return done


def _hear(pipe: connection.Connection, worker: _Worker, done: list[Done[Any]]) -> bool:
    """Take what a process says; whether that was its last word."""
    try:
        said = pipe.recv()
    except EOFError:
        worker.process.join()
        done[worker.at].why = f"its process ended by itself (exit status {worker.process.exitcode})"
        return True
    if isinstance(said, float):
        worker.part = said
        return False
    done[worker.at] = said
    return True


def _end(processes: Sequence[BaseProcess]) -> None:
    for process in processes:
        process.terminate()
    until_s = time.monotonic() + ENDS_WITHIN_S
    for process in processes:
        process.join(max(0.0, until_s - time.monotonic()))
        if process.is_alive():
            process.kill()
            process.join()


def _do(work: Callable[[Any, Callable[[float], None]], Any], task: Any, pipe: connection.Connection) -> None:
    """In the process: do the work, and say what came of it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    due_s = time.monotonic() + SAY_EVERY_S

    def part(of_it: float) -> None:
        nonlocal due_s
        if time.monotonic() >= due_s:
            due_s = time.monotonic() + SAY_EVERY_S
            pipe.send(float(of_it))  # nobody reads it any more: the process ends here

    try:
        said = Done(work(task, part))
    except BrokenPipeError:
        return
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        said = Done(why=f"{type(error).__name__}: {error} ({os.path.basename(where.filename)}, line {where.lineno})")
    pipe.send(said)
