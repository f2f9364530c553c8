"""Workers that are copies of their master end as workers do that were started anew, and are missed as soon."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from cds.api.copied_workers import FORK

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(FORK is None, reason="processes are copied on Linux only"),
]
MASTER = """
import json, os, signal, socket, sys, threading, time
from uvicorn.config import Config
from cds.api.copied_workers import CopiedWorker, copy_for_workers

class Worker(CopiedWorker):
    def target(self, sockets):
        threading.Thread(target=time.sleep, args=(600,)).start()  # hangs, and is waited for at an ordinary end
        time.sleep(600)

for name in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(name, lambda *_: None)  # as uvicorn's master does: it notes them
copy_for_workers()
worker = Worker(Config("none:none"), [])
worker.start()
time.sleep(0.3)
os.kill(worker.pid, getattr(signal, sys.argv[1]))
began = time.monotonic()
alive = worker.ping(60)
worker.process.join(60)
print(json.dumps([worker.exitcode, alive, time.monotonic() - began]))
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL"])
def test_a_worker_with_a_thread_that_hangs_ends_by_a_signal_and_no_answer_of_it_is_waited_for(name: str) -> None:
    command = [sys.executable, "-c", MASTER, name]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    exitcode, alive, seconds = json.loads(ended.stdout)

    assert exitcode < 0
    assert alive is False
    assert seconds < 30
