"""How the server of known latency answers the requests on its connections, when, and what it notes of them."""

from __future__ import annotations

import asyncio
import csv
import io
import random
import re
import select
import selectors
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

LOG_COLUMNS = ("arrived", "drawn_ms", "served_ms")
BODY = b'{"status": "ok", "served by": "perflab.calibration.server"}\n'
LARGE_BODY = b"0123456789abcdef" * (300_000 // 16)
MAX_PIECES = len(BODY)
MAX_HEAD_BYTES = 65_536

_FIELDS = re.compile(rb"\r\n(content-length|transfer-encoding|connection)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE)

Draw = Callable[[random.Random], float]


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the server answers. Times in seconds unless named otherwise; factors multiply what is drawn."""

    draw: Draw
    seed: int
    pieces: int
    gap_ms: float
    warm_up_s: float
    warm_up_factor: float
    drift_factor: float
    drift_s: float

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
            return self.refuse()
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
                    return self.refuse()
        timed = path not in {b"/health", b"/redirect"}
        answer = self._answers.get((path, close)) or self._answers[None, close]
        return Request(answer, timed, length, head_only=method == b"HEAD", close=close)

    def refuse(self) -> Request:
        """Return what stands for a request that isn't taken: no real one is like it, or as long."""
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
