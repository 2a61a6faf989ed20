"""Stands between this server and a program that it started, so that the program ends with it.

Run as a script by `stdio_process.py`, one for each program, with the standard library alone:
`stdio_launcher.py LIFELINE COMMAND [ARGUMENT ...]`. LIFELINE is the reading end of a pipe that only
the gateway can write to: it closes with the gateway, whatever ends that, also SIGKILL. Then the
program and everything that it started are ended. The launcher leads the process group of them all;
on Linux orphans come to it, so that those are found too that left the group. It must never hold
the program's standard input or output.
"""

import contextlib
import os
import select
import signal
import sys
import time

_GRACE_SECONDS = 2.0
_SUBREAPER, _PARENT_DEATH = 36, 1
_SWEEPS = 200


def main() -> None:
    """Starts the program and stays until it has ended or the gateway has."""
    lifeline, command = int(sys.argv[1]), sys.argv[2:]
    # The program could hold it open for itself, and then outlive the gateway.
    os.set_inheritable(lifeline, False)
    _prctl(_SUBREAPER, 1)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    launcher = os.getpid()
    program = os.fork()
    if program == 0:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _become(command, launcher)
    # Told to the whole group; the launcher ends when all others have.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    status = _until_ended(program, lifeline, woken)
    if status is None:
        os.killpg(0, signal.SIGTERM)
        status = _until_ended(program, None, woken, time.monotonic() + _GRACE_SECONDS)
    _sweep()
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF if status is not None else 1)


def _become(command: list[str], launcher: int) -> None:
    # Whoever kills the launcher ends the program too.
    _prctl(_PARENT_DEATH, signal.SIGKILL)
    if os.getppid() != launcher:
        os._exit(1)
    # Python ignores them, this server one at its start, and a program would go on doing so.
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)  # noqa: S606 - no shell is wanted
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
        os._exit(127)


def _until_ended(
    program: int, lifeline: int | None, woken: int, until: float | None = None
) -> int | None:
    """The status of the program; None when the lifeline has closed or the time is over."""
    watched = [woken] if lifeline is None else [woken, lifeline]
    while True:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == program:
            return status
        if pid:
            continue
        left = None if until is None else until - time.monotonic()
        if left is not None and left <= 0:
            return None
        ready, _, _ = select.select(watched, [], [], left)
        if lifeline in ready:
            return None
        if woken in ready:
            os.read(woken, 4096)


def _sweep() -> None:
    """Ends what is left. Whose parent has ended is a child of the launcher in the next round."""
    for _ in range(_SWEEPS):
        children = _children()
        if children is None:
            os.killpg(0, signal.SIGKILL)
            return
        if not children:
            return
        for child in children:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(-1, 0)


def _children() -> list[int] | None:
    """The children of this process; None where the system does not say."""
    own = os.getpid()
    try:
        with open(f"/proc/{own}/task/{own}/children", encoding="ascii") as listed:  # noqa: PTH123 - pathlib costs a start 10 ms
            return [int(pid) for pid in listed.read().split()]
    except OSError:
        return None


def _prctl(option: int, value: int) -> None:
    """Linux only; elsewhere the closed standard input tells a program to end."""
    if sys.platform != "linux":
        return
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    main()
