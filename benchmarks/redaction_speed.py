"""What taking secrets out of a text costs, at the worst: CPU ms per 10 kB for texts made to be slow.

    python -m benchmarks.redaction_speed [--seconds 60] [--seed 1]

A target decides what a failure's message says, and it is redacted in the process that must keep the load up. Each
kind of secret is looked for in what its pattern consists of, repeated, and in mixtures: a random search keeps what took
longest, changes it, and keeps that if it takes longer. `doubled` is how many times longer a text of twice the
length takes: 2 where the time is proportional to the length, 4 where it is quadratic.
"""

from __future__ import annotations

import argparse
import gc
import random
import re
import time
from collections.abc import Callable
from functools import partial

from perflab.vocabulary.redact import SECRETS, Step, redact

ALPHABET = (
    *("-", ":", "'", '"', "\\", "=", "@", "://", "?", "&", ".", ",", ";", "/", "{", "}", " ", "\n", "\t", "_", "\0"),
    *("eyJ", "bearer ", "basic ", "cookie:", "cookie", "authorization", "token", "secret", "credential", "password"),
    *(
        "digest ",
        "basic",
        "session",
        "sid",
        "otp",
        "auth",
        "code",
        "-u ",
        "--user",
        "-----BEGIN",
        " PRIVATE KEY",
        "-----",
    ),
    *("<", ">", "</", "#", "ghp_", "sk-", "xoxb-", "AKIA", "LS0tLS1CRUdJTi", "value=", "identified by "),
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
    *(
        "sid=",
        "otp=a ",
        "'otp',",
        "&code=",
        ";key=a",
        "<token>",
        "<token>a</",
        "<a-",
        "-u a",
        "-u a:b ",
        "-u 'a:",
        "a:b@",
        "auth('",
        "auth=(a,",
        "auth (",
    ),
    *(
        "sk-ab-",
        "ghp_a",
        "s",
        "sk_live_",
        "glpat-.",
        "-----BEGIN A",
        "-----BEGIN PRIVATE KEY-----",
        "password '",
        'a="',
    ),
    *('authorization: a="', "cookie: a='b'", "digest a=", "password ", "://a:b", "://a:b/", "://a:1", "',", "by '"),
    *("-u=", "-u,", "-ua,", "--user=", "--user=a,", "token=[", "cookie: [a", "token%3d", "%3d"),
    *("eyJa ", "eyJa.", "eyJ-", "-eyJ", "eyJa.a ", "acpst", "pas", "Pass-", "api-", "private-", "a-", "é-"),
)

# What a plain pattern takes for 10 kB, found 1 667 times, on the machine that the README's figures are from: where it
# takes longer, because the machine is slower or shared, so does everything else.
REFERENCE_MS = 0.4


def slowness() -> float:
    """Return how many times longer than on that machine a plain pattern takes at the moment, at least 1."""
    find, text = re.compile("([a-z]+)=").finditer, repeated("abc=d&", 10_000)
    return max(1.0, cpu_ms(lambda _: [match.span(1) for match in find(text)], text) / REFERENCE_MS)


def repeated(piece: str, characters: int) -> str:
    """Return `piece` again and again, so many characters of it."""
    return (piece * (characters // len(piece) + 1))[:characters]


def cpu_ms(step: Callable[[str], object], text: str, tries: int = 5) -> float:
    """Return the least CPU time in ms that it takes on `text`, of so many tries."""
    # As `timeit` does it: what a collection costs depends on all else that is in the memory.
    collects = gc.isenabled()
    gc.disable()
    least = float("inf")
    for _ in range(tries):
        begun = time.process_time()
        step(text)
        least = min(least, time.process_time() - begun)
    if collects:
        gc.enable()
    return least * 1000


def worst_piece(step: Step, seconds: float, seed: int) -> str:
    """Return the text that takes longest when it is repeated, as far as `seconds` of searching find it."""
    chance = random.Random(seed)
    cost = partial(_cost, step)
    worst = max(HOSTILE, key=partial(cost, tries=10))
    slowest, end = cost(worst), time.monotonic() + seconds
    while time.monotonic() < end:
        pieces = [worst] if chance.random() < 0.5 else []
        for _ in range(chance.randint(1, 4)):
            pieces.insert(chance.randint(0, len(pieces)), chance.choice(ALPHABET))
        tried = "".join(pieces)[-60:]
        # What seems to be slow may have been interrupted: both anew.
        if cost(tried) > 0.9 * slowest:
            slowest, again = cost(worst, tries=20), cost(tried, tries=20)
            if again > slowest:
                worst, slowest = tried, again
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
    print(f"A plain pattern takes {slowness():.2f} times as long as it should; so does the rest.")


if __name__ == "__main__":
    main()
