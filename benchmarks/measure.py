"""CPU time, memory and HTTP load, as the benchmark measures them. Linux only (/proc)."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
STEP = 7  # between the first bodies of two connections
TICK = os.sysconf("SC_CLK_TCK")


def cpu_ms(
    rounds: Mapping[str, Callable[[], object]], seconds: float, times: int = 3
) -> dict[str, tuple[float, float]]:
    """
    CPU milliseconds of one call: the best round's median, and the spread of the rounds in percent.

    The rounds take turns, so that what else the machine does meets all alike.
    """
    found: dict[str, list[float]] = {name: [] for name in rounds}
    for _ in range(times):
        for name, work in rounds.items():
            work()
            gc.collect()
            took: list[float] = []
            until = time.perf_counter() + seconds
            while len(took) < 3 or time.perf_counter() < until:
                begun = time.process_time()
                work()
                took.append(time.process_time() - begun)
            found[name].append(sorted(took)[len(took) // 2] * 1000)
    return {name: (min(medians), (max(medians) - min(medians)) / min(medians) * 100) for name, medians in found.items()}


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            with suppress(OSError):
                found += [int(child) for child in task.read_text().split()]
    return found


def cpu_of(pids: Sequence[int]) -> float:
    """CPU seconds of processes so far."""
    seconds = 0.0
    for pid in pids:
        with suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            seconds += (int(fields[11]) + int(fields[12])) / TICK
    return seconds


def mb_of(pids: Sequence[int]) -> float:
    """Resident memory of the largest of the processes, in MB: a worker, not what started it."""
    sizes = [0.0]
    for pid in pids:
        with suppress(OSError):
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            sizes.append(pages * resource.getpagesize() / 1e6)
    return max(sizes)


@dataclass(frozen=True)
class Load:
    """What a server did under load: requests a second, CPU and latencies in milliseconds, memory in MB."""

    rps: float
    cpu: float
    p50: float
    p99: float
    worst: float
    mb: float
    requests: int

    @classmethod
    def of(cls, took: Sequence[float], cpu: float, passed: float, mb: float) -> Load:
        """From the seconds each answer took, the CPU seconds and the seconds of all together."""
        took = sorted(took)
        return cls(
            rps=len(took) / passed,
            cpu=cpu / len(took) * 1000,
            p50=took[len(took) // 2] * 1000,
            p99=took[min(len(took) - 1, len(took) * 99 // 100)] * 1000,
            worst=took[-1] * 1000,
            mb=mb,
            requests=len(took),
        )


@dataclass(frozen=True)
class Took:
    """What one round of load took: seconds of each answer with the number of its body, CPU seconds, seconds, MB."""

    answers: Sequence[tuple[int, float]]
    cpu: float
    passed: float
    mb: float

    def load(self, bodies: Container[int] | None = None) -> Load:
        """All of it, or the answers to some of the bodies: their share of the CPU is not known then, and is all."""
        took = [seconds for body, seconds in self.answers if bodies is None or body in bodies]
        return Load.of(took, self.cpu, self.passed, self.mb)


@dataclass(frozen=True)
class Server:
    """A server under measurement."""

    port: int
    path: str
    pid: int
    first_answer: float

    def load(self, bodies: Sequence[bytes], connections: int, seconds: float, want: bytes = b'"cards"') -> Load:
        """As `took`, in figures."""
        return self.took(bodies, connections, seconds, want).load()

    def took(self, bodies: Sequence[bytes], connections: int, seconds: float, want: bytes = b'"cards"') -> Took:
        """Send the bodies in turn over so many connections, each waiting for its answer; every answer is checked."""
        pids = tree(self.pid)
        cpu, begun = cpu_of(pids), time.perf_counter()
        answers = asyncio.run(self._all(bodies, connections, seconds, want))
        return Took(answers, cpu_of(pids) - cpu, time.perf_counter() - begun, mb_of(pids))

    async def _all(
        self, bodies: Sequence[bytes], connections: int, seconds: float, want: bytes
    ) -> list[tuple[int, float]]:
        until = time.perf_counter() + seconds
        # Each connection begins at another body, so that those of one size are not all sent at once.
        each = [self._one(bodies, start * STEP, until, want) for start in range(connections)]
        return [one for found in await asyncio.gather(*each) for one in found]

    async def _one(self, bodies: Sequence[bytes], turn: int, until: float, want: bytes) -> list[tuple[int, float]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 20)
        took: list[tuple[int, float]] = []
        try:
            while not took or time.perf_counter() < until:
                number = turn % len(bodies)
                body = bodies[number]
                turn += 1
                begun = time.perf_counter()
                head = f"POST {self.path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
                writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode())
                writer.write(body)
                answer = await reader.readuntil(b"\r\n\r\n")
                length = int(answer.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                content = await reader.readexactly(length)
                took.append((number, time.perf_counter() - begun))
                if not answer.startswith(b"HTTP/1.1 200") or want not in content:
                    raise RuntimeError(f"a wrong answer: {answer[:60]!r} {content[:200]!r}")
        finally:
            writer.close()
        return took


@contextmanager
def serving(
    app: str,
    path: str,
    body: bytes,
    *,
    workers: int = 1,
    python: str = sys.executable,
    factory: bool = True,
    env: Mapping[str, str] | None = None,
    source: Path = ROOT / "src",
) -> Iterator[Server]:
    """Start an application with uvicorn, of the code in `source`; gives it once it has answered a first request."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [python, "-m", "uvicorn", app, "--port", str(port), "--workers", str(workers), "--no-access-log"]
    command += ["--log-level", "warning", *(["--factory"] if factory else [])]
    environment = os.environ | {"PYTHONPATH": f"{source}:{ROOT}"} | dict(env or {})
    begun = time.perf_counter()
    running = subprocess.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.DEVNULL)  # noqa: S603
    try:
        server = Server(port, path, running.pid, 0.0)
        while True:
            if running.poll() is not None:
                raise RuntimeError(f"{app} did not start")
            try:
                server.load([body], 1, 0)
                break
            except OSError:
                time.sleep(0.02)
        yield Server(port, path, running.pid, time.perf_counter() - begun)
    finally:
        running.send_signal(signal.SIGTERM)
        try:
            running.wait(30)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
