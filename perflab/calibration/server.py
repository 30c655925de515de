"""A local HTTP(S) server of known latency, and a log of the truth: what each answer was meant to take, and took.

    python -m perflab.calibration.server --port 8000 --distribution lognormal --log truth.csv

Any path is answered after a latency drawn from a known, seeded distribution; `/large` with 300 kB. `/health` and
`/redirect` (302 to `/`) answer at once and are not logged. The log is a CSV file with a row an answered request:
`arrived` (epoch seconds), `drawn_ms` (all factors included), `served_ms` (from the arrival of the request to the write
of the answer's last piece). It listens on 127.0.0.1 only. SIGTERM and SIGINT end it with exit code 0; wrong usage
is exit code 2.

Standard library only. It is held to tens of microseconds, both in what a request costs and in when it answers.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import csv
import ctypes
import gc
import io
import math
import os
import random
import re
import resource
import select
import selectors
import signal
import socket
import ssl
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, cast

LOG_COLUMNS = ("arrived", "drawn_ms", "served_ms")
ADDRESS = "127.0.0.1"
# Made for localhost and valid for 100 years. Its key is public, so it protects nothing; it is there to make TLS work.
CERTIFICATE = Path(__file__).with_name("localhost.pem")

MEDIAN_MS = 40.0
P95_MS = 113.8
_SIGMA = math.log(P95_MS / MEDIAN_MS) / 1.6448536269514722
# The bimodal distribution's modes: the share of requests in the second one, and (mean, standard deviation) in ms.
SLOW_SHARE = 0.01
FAST_MS, SLOW_MS = (50.0, 2.0), (400.0, 10.0)

BODY = b'{"status": "ok", "served by": "perflab.calibration.server"}\n'
LARGE_BODY = b"0123456789abcdef" * (300_000 // 16)
MAX_PIECES = len(BODY)
MAX_HEAD_BYTES = 65_536

BACKLOG = 4096
FLUSH_S = 1.0
_PR_SET_TIMERSLACK = 29
_FINEST_SLACK_NS = 1

_FIELDS = re.compile(rb"\r\n(content-length|transfer-encoding|connection)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE)

Draw = Callable[[random.Random], float]


def lognormal(rng: random.Random) -> float:
    """Draw a latency in ms: median 40, p95 113.8."""
    return rng.lognormvariate(math.log(MEDIAN_MS), _SIGMA)


def bimodal(rng: random.Random) -> float:
    """Draw a latency in ms: 99 % around 50, 1 % around 400."""
    return rng.gauss(*(SLOW_MS if rng.random() < SLOW_SHARE else FAST_MS))


def at_once(_: random.Random) -> float:
    """Draw nothing: the answer is written as soon as the request has been read."""
    return 0.0


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the server answers. Times in seconds unless named otherwise; factors multiply what is drawn."""

    draw: Draw
    seed: int = 1
    pieces: int = 1
    gap_ms: float = 0.0
    warm_up_s: float = 0.0
    warm_up_factor: float = 1.0
    drift_factor: float = 1.0
    drift_s: float = 1.0

    def factor(self, elapsed_s: float) -> float:
        """Return what latencies are multiplied with, `elapsed_s` after the first request."""
        drift = 1 + (self.drift_factor - 1) * elapsed_s / self.drift_s
        if elapsed_s >= self.warm_up_s:
            return drift
        return drift * (self.warm_up_factor + (1 - self.warm_up_factor) * elapsed_s / self.warm_up_s)


class PreciseSelector(selectors.DefaultSelector):
    """Waits to the microsecond, and knows when it last woke up.

    epoll_wait takes whole milliseconds, so asyncio's timers come half a millisecond late on average. An epoll (or
    kqueue) descriptor can itself be waited for, and select takes microseconds.
    """

    def __init__(self) -> None:
        super().__init__()
        self.woke = time.monotonic()
        self.woke_at = time.time()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready, as the base class does."""
        if timeout is None or timeout > 0:
            select.select((self.fileno(),), (), (), timeout)
        ready = super().select(0)
        self.woke = time.monotonic()
        self.woke_at = time.time()
        return ready


class TruthLog:
    """Rows of the log, written once a second and at the end."""

    def __init__(self, path: Path | None) -> None:
        self._rows: list[str] = []
        self._file: io.TextIOWrapper | None = None
        if path is not None:
            self._file = path.open("a", encoding="utf-8", newline="")
            if not self._file.tell():
                csv.writer(self._file, lineterminator="\n").writerow(LOG_COLUMNS)
                self._file.flush()

    def add(self, arrived_at: float, drawn_s: float, served_s: float) -> None:
        """Note one answered request."""
        # Turned into text here, one at a time: a whole second's at once would hold up the answers that are due.
        if self._file is not None:
            self._rows.append(f"{arrived_at:.6f},{drawn_s * 1000:.4f},{served_s * 1000:.4f}\n")

    def flush(self) -> None:
        """Write what has been noted."""
        if self._file is not None and self._rows:
            rows, self._rows = self._rows, []
            self._file.write("".join(rows))
            self._file.flush()

    def close(self) -> None:
        """Write the rest and close the file."""
        self.flush()
        if self._file is not None:
            self._file.close()


@dataclass(frozen=True, slots=True)
class Answer:
    """A prepared answer: what is sent to HEAD, and the pieces that are sent to anything else, the head included."""

    head: bytes
    pieces: tuple[bytes, ...]

    @classmethod
    def of(cls, status: str, body: bytes = b"", *, fields: str = "", pieces: int = 1, close: bool = False) -> Answer:
        """Prepare an answer whose body comes in `pieces`; `fields` are further header lines."""
        fields += "Connection: close\r\n" if close else ""
        head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n{fields}\r\n".encode()
        bounds = [round(len(body) * piece / pieces) for piece in range(pieces + 1)]
        first, *others = (body[bounds[piece] : bounds[piece + 1]] for piece in range(pieces))
        return cls(head, (head + first, *others))


@dataclass(slots=True)
class Request:
    """One request, as far as it has been read."""

    answer: Answer
    timed: bool
    body_left: int
    head_only: bool = False
    close: bool = False


class Server:
    """What all connections share: the answers, the draws and the log."""

    def __init__(
        self, behaviour: Behaviour, log: TruthLog, loop: asyncio.AbstractEventLoop, clock: PreciseSelector
    ) -> None:
        self.behaviour = behaviour
        self.log = log
        self.loop = loop
        self.clock = clock
        self.connections: set[Connection] = set()
        self._rng = random.Random(behaviour.seed)
        self._first: float | None = None
        # By (path, whether the connection is closed afterwards); the path None is any other.
        self._answers: dict[tuple[bytes | None, bool], Answer] = {}
        for close in (False, True):
            self._answers |= {
                (b"/health", close): Answer.of("200 OK", b"ok\n", close=close),
                (b"/redirect", close): Answer.of("302 Found", fields="Location: /\r\n", close=close),
                (b"/large", close): Answer.of("200 OK", LARGE_BODY, pieces=behaviour.pieces, close=close),
                (None, close): Answer.of("200 OK", BODY, pieces=behaviour.pieces, close=close),
            }
        self._refusal = Answer.of("400 Bad Request", b"this is not a request that the server takes\n", close=True)

    def draw_s(self, now: float) -> float:
        """Return the next latency in seconds; `now` by the clock of the event loop."""
        drawn_ms = self.behaviour.draw(self._rng)
        if self._first is None:
            self._first = now
        return max(0.0, drawn_ms / 1000 * self.behaviour.factor(now - self._first))

    def parse(self, head: bytes) -> Request:
        """Return the request that a head begins; one that can't be understood is refused."""
        line, _, _ = head.partition(b"\r\n")
        words = line.split(b" ")
        if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            return Request(self._refusal, timed=False, body_left=0, close=True)
        method, target, version = words
        path = target.partition(b"?")[0]
        length, close = 0, version == b"HTTP/1.0"
        for name, value in _FIELDS.findall(head):
            match name.lower():
                case b"connection":
                    close = close or value.strip().lower() == b"close"
                case b"content-length" if value.strip().isdigit():
                    length = int(value)
                case _:
                    # Chunked bodies, which no request here needs.
                    return Request(self._refusal, timed=False, body_left=0, close=True)
        timed = path not in {b"/health", b"/redirect"}
        answer = self._answers.get((path, close)) or self._answers[None, close]
        return Request(answer, timed, length, head_only=method == b"HEAD", close=close)

    def refuse(self) -> Request:
        """Return what stands for a request that is longer than any real one."""
        return Request(self._refusal, timed=False, body_left=0, close=True)


class Connection(asyncio.Protocol):
    """One connection: answers its requests one after the other."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._unread = b""
        self._request: Request | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._answering = False
        self._left: list[bytes] = []
        self._gap_s = self._arrived = self._arrived_at = self._drawn_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Forget what was still to be answered."""
        self._transport = None
        self._server.connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()

    def abort(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Read on, and answer what is there."""
        self._unread = self._unread + data if self._unread else data
        if not self._answering:
            self._read()

    def _read(self) -> None:
        while self._unread and not self._answering:
            if self._request is None:
                head, end, rest = self._unread.partition(b"\r\n\r\n")
                if end:
                    self._request, self._unread = self._server.parse(head), rest
                elif len(head) > MAX_HEAD_BYTES:
                    self._request, self._unread = self._server.refuse(), b""
                else:
                    return
            left = self._request.body_left
            if left:
                self._request.body_left = max(0, left - len(self._unread))
                self._unread = self._unread[left:]
            if not self._request.body_left:
                self._begin(self._request)

    def _begin(self, request: Request) -> None:
        """The request is there whole: answer it now, or when it is due."""
        server = self._server
        self._answering = True
        self._arrived, self._arrived_at = server.clock.woke, server.clock.woke_at
        self._drawn_s = server.draw_s(self._arrived) if request.timed else 0.0
        self._left = [request.answer.head] if request.head_only else [*request.answer.pieces]
        # Where the draw is shorter than all gaps together, the gaps are shorter too.
        gaps = len(self._left) - 1
        self._gap_s = min(server.behaviour.gap_ms / 1000, self._drawn_s / gaps) if gaps else 0.0
        if self._drawn_s:
            self._wait()
        else:
            self._finish(b"".join(self._left))

    def _wait(self) -> None:
        due = self._arrived + self._drawn_s - self._gap_s * (len(self._left) - 1)
        self._timer = self._server.loop.call_at(due, self._on_time)

    def _on_time(self) -> None:
        piece = self._left.pop(0)
        if not self._left:
            self._finish(piece)
        elif self._transport is not None:
            self._transport.write(piece)
            self._wait()

    def _finish(self, piece: bytes) -> None:
        """Send the answer's last piece, and go on to what the client may have sent meanwhile."""
        request, transport, server = self._request, self._transport, self._server
        if request is None or transport is None:
            return
        transport.write(piece)
        if request.timed:
            server.log.add(self._arrived_at, self._drawn_s, time.monotonic() - self._arrived)
        self._request, self._timer, self._answering = None, None, False
        if request.close:
            self._unread = b""
            transport.close()
        elif self._unread:
            # Not at once: a client that sends many requests in one go must not make the answers nest.
            self._server.loop.call_soon(self._read)


async def serve(
    listener: socket.socket, behaviour: Behaviour, log: TruthLog, clock: PreciseSelector, tls: bool
) -> None:
    """Answer until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
    shared = Server(behaviour, log, loop, clock)
    server = await loop.create_server(lambda: Connection(shared), sock=listener, backlog=BACKLOG, ssl=context)
    sys.stdout.write(f"listening on {'https' if tls else 'http'}://{ADDRESS}:{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    # What is there by now stays: it need not be looked at by each collection.
    gc.freeze()
    while not stopped.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), FLUSH_S)
        log.flush()
    server.close()
    for connection in [*shared.connections]:
        connection.abort()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the server; the exit code is 0 after a stop by signal, 2 for wrong usage."""
    for number in (signal.SIGTERM, signal.SIGINT):
        # Until the event loop takes over.
        signal.signal(number, lambda *_: sys.exit(0))
    parser = _parser()
    options = parser.parse_args(arguments)
    behaviour = _behaviour(options)
    try:
        log = TruthLog(options.log)
    except OSError as error:
        parser.error(f"can't write to {str(options.log)!r}: {error.strerror}; choose another --log")
    with contextlib.closing(log):
        try:
            listener = socket.create_server((ADDRESS, options.port), backlog=BACKLOG)
        except OSError as error:
            parser.error(f"can't listen on {ADDRESS} port {options.port}: {error.strerror}; choose another --port")
        _take_files()
        if not options.immediate:
            _be_punctual()
        clock = PreciseSelector()
        with listener, asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(clock)) as runner:
            runner.run(serve(listener, behaviour, log, clock, options.tls))
    return 0


def _take_files() -> None:
    # Each connection is one; some systems refuse "unlimited".
    with contextlib.suppress(OSError, ValueError):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _be_punctual() -> None:
    # Linux lets a wait run 50 microseconds longer, to save power.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, _FINEST_SLACK_NS, 0, 0, 0)
    # On a machine that its load generator keeps busy, an answer that is due waits up to 4 ms for a core, one in a
    # hundred of them. Real-time priority makes that 0.1 ms; without the right to it (root's) the server does without.
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))


class _Parser(argparse.ArgumentParser):
    """Tells what is wrong in one line, without the usage before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="perflab.calibration.server",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--port", type=_number(int, 0, 65535), required=True, help="port to listen on; 0 is a free one")
    add("--seed", type=_number(int, 0), default=1, help="of the drawn latencies (default 1)")
    drawn = parser.add_mutually_exclusive_group()
    drawn.add_argument(
        "--distribution",
        type=_distribution,
        metavar="NAME",
        default=lognormal,
        help="lognormal (default: median 40 ms, p95 113.8 ms), bimodal (99 %% around 50 ms, 1 %% around 400 ms) "
        "or constant:MS",
    )
    drawn.add_argument("--immediate", action="store_true", help="answer at once, in about a tenth of a millisecond")
    add("--tls", action="store_true", help="HTTPS, with a certificate of its own making")
    add("--pieces", type=_number(int, 1, MAX_PIECES), default=1, metavar="N", help="send the body in N pieces")
    add("--gap", type=_number(float, 0), default=0.0, metavar="MS", help="between pieces; the last one is on time")
    add("--warm-up", type=_number(float, 0), default=0.0, metavar="S", help="answer slower for the first S seconds")
    add("--warm-up-factor", type=_number(float, 0), default=1.0, metavar="F", help="by this factor, which falls to 1")
    add("--drift", type=_drift, default=(1.0, 1.0), metavar="FACTOR:SECONDS", help="grow, FACTOR times in SECONDS")
    add("--log", type=Path, metavar="FILE", help="append arrived,drawn_ms,served_ms of each answered request")
    return parser


def _behaviour(options: argparse.Namespace) -> Behaviour:
    drift_factor, drift_s = options.drift
    return Behaviour(
        draw=at_once if options.immediate else options.distribution,
        seed=options.seed,
        pieces=options.pieces,
        gap_ms=options.gap,
        warm_up_s=options.warm_up,
        warm_up_factor=options.warm_up_factor,
        drift_factor=drift_factor,
        drift_s=drift_s,
    )


def _number(kind: Callable[[str], float], least: float, most: float = math.inf) -> Callable[[str], float]:
    def number(text: str) -> float:
        wanted = f"{'a whole number' if kind is int else 'a number'} of at least {least:g}"
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}") from None
        if not least <= value <= most or math.isinf(value):
            raise argparse.ArgumentTypeError(
                f"{text!r} is not {wanted}{'' if math.isinf(most) else f', at most {most:g}'}"
            )
        return value

    return number


def _distribution(text: str) -> Draw:
    named: dict[str, Draw] = {"lognormal": lognormal, "bimodal": bimodal}
    if text in named:
        return named[text]
    name, _, value = text.partition(":")
    try:
        constant_ms = float(value)
    except ValueError:
        constant_ms = math.nan
    if name != "constant" or not 0 <= constant_ms < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is none of lognormal, bimodal, constant:MS")
    return lambda _: constant_ms


def _drift(text: str) -> tuple[float, float]:
    try:
        factor, seconds = (float(part) for part in text.split(":"))
    except ValueError:
        factor = seconds = math.nan
    if not (0 <= factor < math.inf and 0 < seconds < math.inf):
        raise argparse.ArgumentTypeError(f"{text!r} is not FACTOR:SECONDS; write for example 2:60")
    return factor, seconds


if __name__ == "__main__":
    sys.exit(main())
