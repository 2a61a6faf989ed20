"""Several processes on one set of listening sockets, and the one that starts and ends them.

The parent opens the sockets, forks the workers and serves nothing itself. A worker that dies is
replaced. SIGTERM or SIGINT ends all in order; what does not end in time is killed. SIGHUP goes on
to each worker. No worker outlives the parent, also when that is killed: each holds the reading end
of a pipe that only the parent can write to, and ends when it closes.

The parent opens no store and starts no thread before it forks: neither would survive it.
"""

import contextlib
import logging
import multiprocessing
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import BinaryIO

# Longer than a worker takes to stop in order.
_STOP_SECONDS = 15.0
# A worker that cannot live is not started more often than this.
_LEAST_LIFE_SECONDS = 1.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT)

log = logging.getLogger("okta_mcp")


@dataclass(frozen=True, slots=True)
class Worker:
    """One of `count` processes: its number from 1, and where they share the audit trail's place.

    `is_ready` is to be called when nothing of the configuration can stop it any more.
    """

    number: int
    count: int
    audit_position: BinaryIO
    is_ready: Callable[[], None]


def can_fork() -> bool:
    """Whether this system has what `run_workers` needs; Windows has not."""
    return "fork" in multiprocessing.get_all_start_methods()


def run_workers(
    count: int,
    serve: Callable[[Worker], None],
    when_ready: Callable[[], None],
    *,
    can_reload: bool = False,
) -> int:
    """Runs `serve` in `count` processes until SIGTERM or SIGINT; the exit status.

    Not 0 is that of the first worker where that could not start: then there are no others.
    Otherwise `when_ready` is called once, here. `can_reload` says that the workers know SIGHUP,
    which is then passed on to each.
    """
    with tempfile.TemporaryFile(buffering=0) as position:
        return _Workers(count, serve, position, can_reload=can_reload).run(when_ready)


class _Workers:
    def __init__(
        self, count: int, serve: Callable[[Worker], None], position: BinaryIO, *, can_reload: bool
    ) -> None:
        self._count = count
        self._serve = serve
        self._position = position
        self._fork = multiprocessing.get_context("fork")
        self._alive: dict[int, tuple[BaseProcess, float]] = {}
        # Closed by the system with the parent, whatever ends it.
        self._end_of_parent, self._parent_lives = os.pipe()
        # Read here, written by the first worker and by the handlers of signals.
        self._news, self._tell = os.pipe()
        os.set_blocking(self._news, False)
        self._is_stopping = False
        self._can_reload = can_reload

    def run(self, when_ready: Callable[[], None]) -> int:
        with self._stop_by_signal(), self._reload_by_signal():
            self._start(1)
            first, _ = self._alive[1]
            if first.sentinel in wait([self._news, first.sentinel]):
                first.join()
                return first.exitcode or 0
            when_ready()
            for number in range(2, self._count + 1):
                self._start(number)
            while not self._is_stopping:
                wait([self._news, *(process.sentinel for process, _ in self._alive.values())])
                with contextlib.suppress(BlockingIOError):
                    os.read(self._news, 100)
                self._replace_dead()
            self._stop()
        return 0

    @contextlib.contextmanager
    def _stop_by_signal(self) -> Iterator[None]:
        def stop(*_: object) -> None:
            self._is_stopping = True
            os.write(self._tell, b"s")

        before = [signal.signal(number, stop) for number in _SIGNALS]
        try:
            yield
        finally:
            for number, handler in zip(_SIGNALS, before, strict=True):
                signal.signal(number, handler)

    @contextlib.contextmanager
    def _reload_by_signal(self) -> Iterator[None]:
        if not self._can_reload:
            yield
            return

        def reload(*_: object) -> None:
            for process, _started in list(self._alive.values()):
                if process.pid is not None and process.exitcode is None:
                    os.kill(process.pid, signal.SIGHUP)

        before = signal.signal(signal.SIGHUP, reload)
        try:
            yield
        finally:
            signal.signal(signal.SIGHUP, before)

    def _start(self, number: int) -> None:
        process = self._fork.Process(target=self._work, args=(number,), name=f"worker {number}")
        # A signal between the fork and the worker's own handlers would look like the parent's.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        self._alive[number] = (process, time.monotonic())

    def _replace_dead(self) -> None:
        for number, (process, started_at) in list(self._alive.items()):
            if process.exitcode is None or self._is_stopping:
                continue
            log.error("worker %d ended with %d; starting another", number, process.exitcode)
            if time.monotonic() - started_at < _LEAST_LIFE_SECONDS:
                wait([self._news], timeout=_LEAST_LIFE_SECONDS)
            if not self._is_stopping:
                process.close()
                self._start(number)

    def _stop(self) -> None:
        for process, _ in self._alive.values():
            process.terminate()
        until = time.monotonic() + _STOP_SECONDS
        for number, (process, _) in self._alive.items():
            process.join(max(0.0, until - time.monotonic()))
            if process.exitcode is None:
                log.error("worker %d does not stop; it is killed", number)
                process.kill()
                process.join()

    def _work(self, number: int) -> None:
        """The whole life of a worker process."""
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        if self._can_reload:
            # Until the worker knows what to do; the file it is about to read is the new one.
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        os.close(self._parent_lives)
        threading.Thread(target=self._end_with_parent, daemon=True).start()
        self._serve(Worker(number, self._count, self._position, lambda: self._say_ready(number)))

    def _say_ready(self, number: int) -> None:
        if number == 1:
            os.write(self._tell, b"r")

    def _end_with_parent(self) -> None:
        os.read(self._end_of_parent, 1)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_STOP_SECONDS)
        os._exit(1)
