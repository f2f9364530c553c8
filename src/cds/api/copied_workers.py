"""Workers as copies of their master (fork), with all that is loaded, where uvicorn would start Python anew for each."""

from __future__ import annotations

import gc
import multiprocessing
import signal
import sys
from socket import socket

from uvicorn.config import Config
from uvicorn.supervisors import multiprocess

FORK = multiprocessing.get_context("fork") if sys.platform == "linux" else None  # libraries of macOS do not stand it


class CopiedWorker(multiprocess.Process):
    """A worker of uvicorn's supervisor that is a copy of this process."""

    def __init__(self, config: Config, sockets: list[socket]) -> None:
        super().__init__(config, sockets)
        if FORK is not None:
            self.process = FORK.Process(target=self._begin, args=(sockets,))  # type: ignore[assignment]

    def _begin(self, sockets: list[socket]) -> None:
        _obey_signals()
        self.target(sockets)

    def start(self) -> None:
        """Start it, and let go of its end of the pipe: once the worker is gone, a question to it ends at once."""
        super().start()
        self.child_conn.close()


def copy_for_workers() -> None:
    """
    Let uvicorn make each worker as a copy of this process; elsewhere than on Linux they start as before.

    A worker that was killed is there again within a second, and workers share the memory of what was loaded before.
    This process must run no thread and hold no connection by now.
    """
    if FORK is None:
        return
    gc.collect()
    gc.freeze()  # the collectors of the copies need not look at it, and so write into none of its pages
    multiprocess.Process = CopiedWorker  # type: ignore[misc] # uvicorn has no setting for it


def _obey_signals() -> None:
    """End by a signal, as a new process does: the master only notes it, and a copy would, too."""
    for name in ("SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGTTIN", "SIGTTOU", "SIGWINCH"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
