"""Salted password hashes: scrypt, whose work runs in threads because it releases the GIL."""

import asyncio
import base64
import hashlib
import hmac
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Self

_BLOCK_SIZE = 8
_PARALLELISM = 1
_SALT_BYTES = 16
_KEY_BYTES = 32


def _derive(password: str, salt: bytes, cost: int) -> bytes:
    n = 1 << cost
    return hashlib.scrypt(
        # surrogates can't come out of JSON, so every password encodes
        password.encode(),
        salt=salt,
        n=n,
        r=_BLOCK_SIZE,
        p=_PARALLELISM,
        maxmem=256 * n * _BLOCK_SIZE + 2**20,
        dklen=_KEY_BYTES,
    )


def hash_password(password: str, cost: int, salt: bytes | None = None) -> str:
    """`scrypt$cost$salt$key`, with a fresh salt unless one is given; `cost` is log2 of scrypt's N."""
    salt = os.urandom(_SALT_BYTES) if salt is None else salt
    parts = (base64.b64encode(part).decode() for part in (salt, _derive(password, salt, cost)))
    return "$".join(("scrypt", str(cost), *parts))


def verify_password(password: str, password_hash: str) -> bool:
    """Whether the password gave this hash, compared in constant time."""
    _, cost, salt, key = password_hash.split("$")
    derived = _derive(password, base64.b64decode(salt), int(cost))
    return hmac.compare_digest(derived, base64.b64decode(key))


class PasswordHasher:
    """Hashes and verifies off the event loop."""

    def __init__(self, cost: int) -> None:
        self._cost = cost
        # More threads than cores would only make all hashes late.
        self._threads = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="scrypt")
        self._nobody = hash_password("", cost)

    async def hash(self, password: str) -> str:
        """A salted hash to store."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, hash_password, password, self._cost)

    async def verify(self, password: str, password_hash: str | None) -> bool:
        """Whether the password fits. Without a hash: False after the same work, so time tells nothing."""
        loop = asyncio.get_running_loop()
        fits = await loop.run_in_executor(self._threads, verify_password, password, password_hash or self._nobody)
        return fits and password_hash is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(cancel_futures=True)
