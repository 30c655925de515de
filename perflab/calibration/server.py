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
import ctypes
import gc
import math
import os
import random
import resource
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from perflab.calibration.answering import MAX_PIECES, Behaviour, Connection, Draw, PreciseSelector, Server, TruthLog

ADDRESS = "127.0.0.1"
# Made for localhost and valid for 100 years. Its key is public, so it protects nothing; it is there to make TLS work.
CERTIFICATE = Path(__file__).with_name("localhost.pem")

MEDIAN_MS = 40.0
P95_MS = 113.8
_SIGMA = math.log(P95_MS / MEDIAN_MS) / 1.6448536269514722
# The bimodal distribution's modes: the share of requests in the second one, and (mean, standard deviation) in ms.
SLOW_SHARE = 0.01
FAST_MS, SLOW_MS = (50.0, 2.0), (400.0, 10.0)

BACKLOG = 4096
FLUSH_S = 1.0
_PR_SET_TIMERSLACK = 29
_FINEST_SLACK_NS = 1


def lognormal(rng: random.Random) -> float:
    """Draw a latency in ms: median 40, p95 113.8."""
    return rng.lognormvariate(math.log(MEDIAN_MS), _SIGMA)


def bimodal(rng: random.Random) -> float:
    """Draw a latency in ms: 99 % around 50, 1 % around 400."""
    return rng.gauss(*(SLOW_MS if rng.random() < SLOW_SHARE else FAST_MS))


def at_once(_: random.Random) -> float:
    """Draw nothing: the answer is written as soon as the request has been read."""
    return 0.0


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
