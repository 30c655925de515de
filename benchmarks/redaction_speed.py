"""What taking secrets out of a text costs, at the worst: CPU ms per 10 kB for texts made to be slow.

    python -m benchmarks.redaction_speed [--seconds 60] [--seed 1]

A target decides what a failure's message says, and it is redacted in the process that must keep the load up. Each
kind of secret is looked for in what its pattern consists of, repeated, and in mixtures: a random search keeps what took
longest, changes it, and keeps that if it takes longer. `doubled` is how many times longer a text of twice the
length takes: 2 where the time is proportional to the length, 4 where it is quadratic.
"""

from __future__ import annotations

import argparse
import random
import time
from functools import partial

from perflab.redact import SECRETS, Step, redact

ALPHABET = (
    *("-", ":", "'", '"', "\\", "=", "@", "://", "?", "&", ".", ",", ";", "/", "{", "}", " ", "\n", "\t", "_", "\0"),
    *("eyJ", "bearer ", "basic ", "cookie:", "cookie", "authorization", "token", "secret", "credential", "password"),
    *("passwd", "passphrase", "pass", "pwd", "api", "access", "private", "key", "a", "p", "Z", "1", "é", "Ж", "İ"),
)
HOSTILE = (
    *ALPHABET,
    *("- ", "-- ", "-a", "-a ", "-p", "-token", "-token ", "--pwd a ", "tokentoken", "token ", "pwd=a ", "pwd=a&"),
    *(
        "token='",
        'token="',
        "token=\\",
        "token \n",
        "cookie:a\n",
        "cookie: ",
        "bearer a ",
        "?\n",
        "?a ",
        "://a",
        "://@",
    ),
    *("eyJa ", "eyJa.", "eyJ-", "-eyJ", "eyJa.a ", "acpst", "pas", "Pass-", "api-", "private-", "a-", "é-"),
)


def repeated(piece: str, characters: int) -> str:
    """Return `piece` again and again, so many characters of it."""
    return (piece * (characters // len(piece) + 1))[:characters]


def cpu_ms(step: Step, text: str, tries: int = 5) -> float:
    """Return the least CPU time in ms that it takes on `text`, of so many tries."""
    least = float("inf")
    for _ in range(tries):
        begun = time.process_time()
        step(text)
        least = min(least, time.process_time() - begun)
    return least * 1000


def worst_piece(step: Step, seconds: float, seed: int) -> str:
    """Return the text that takes longest when it is repeated, as far as `seconds` of searching find it."""
    chance = random.Random(seed)
    cost = partial(_cost, step)
    worst = max(HOSTILE, key=cost)
    slowest, end = cost(worst), time.monotonic() + seconds
    while time.monotonic() < end:
        pieces = [worst] if chance.random() < 0.7 else []
        for _ in range(chance.randint(1, 4)):
            pieces.insert(chance.randint(0, len(pieces)), chance.choice(ALPHABET))
        tried = "".join(pieces)[-60:]
        if cost(tried) > slowest and (confirmed := cost(tried, tries=10)) > slowest:
            worst, slowest = tried, confirmed
    return worst


def _cost(step: Step, piece: str, tries: int = 3) -> float:
    return cpu_ms(step, repeated(piece, 5_000), tries)


def main() -> None:
    """Print a row for each kind of secret, and one for all of them together."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="of searching, all rows together")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    tasks = [*SECRETS.items(), ("all of them", redact)]
    print(f"{'ms/10 kB':>8}  {'doubled':>7}  {'worst text, repeated':40}  kind of secret")
    for name, step in tasks:
        piece = worst_piece(step, arguments.seconds / len(tasks), arguments.seed)
        once, twice = (cpu_ms(step, repeated(piece, length), tries=20) for length in (10_000, 20_000))
        print(f"{once:8.2f}  {twice / once:7.2f}  {piece!r:40}  {name}")


if __name__ == "__main__":
    main()
