"""Synthetic data: accounts, prompts and payments that follow from a seed, with keys unique to a run or to seeding."""

from __future__ import annotations

import functools
import hashlib
import random
import uuid
from dataclasses import dataclass, field, replace

from faker import Faker

POOL_SIZE = 256
MODELS = ("text-small", "text-large", "image-base")
CURRENCIES = ("USD", "EUR", "GBP")

GOLDEN_RATIO = (5**0.5 - 1) / 2

# No run's id has a space in it, so no run makes up an e-mail that was seeded.
_SEEDED = "seeded accounts"


@dataclass(frozen=True, slots=True)
class Account:
    """Who registers and logs in."""

    email: str
    password: str = field(repr=False)
    name: str

    @property
    def registration(self) -> dict[str, str]:
        """Body of a registration."""
        return {"email": self.email, "password": self.password, "name": self.name}

    @property
    def credentials(self) -> dict[str, str]:
        """Body of a login."""
        return {"email": self.email, "password": self.password}


@dataclass(frozen=True, slots=True)
class Payment:
    """One payment; sending it again under its key must not charge twice."""

    idempotency_key: str
    amount_cents: int
    currency: str
    description: str

    @property
    def body(self) -> dict[str, str | int]:
        """Body of the request that creates it."""
        return {
            "amount_cents": self.amount_cents,
            "currency": self.currency,
            "description": self.description,
        }


@dataclass(frozen=True, slots=True)
class TextPool:
    """Texts to draw from, since a Faker for every user would cost start-up time and memory."""

    names: tuple[str, ...]
    prompts: tuple[str, ...]
    descriptions: tuple[str, ...]


@functools.cache
def text_pool(seed: int) -> TextPool:
    """The texts of a seed, made once per process."""
    fake = Faker("en_US")
    fake.seed_instance(seed)
    return TextPool(
        names=tuple(fake.name() for _ in range(POOL_SIZE)),
        prompts=tuple(fake.paragraph(nb_sentences=3) for _ in range(POOL_SIZE)),
        descriptions=tuple(fake.sentence(nb_words=5) for _ in range(POOL_SIZE)),
    )


class DataFactory:
    """Endless data of one user: the same seed and user index give the same data, in the same order.

    Accounts, prompts and payments are drawn from separate streams, so the n-th payment is the same whatever
    else the user did before. The namespace enters e-mails and idempotency keys alone: it keeps runs apart
    that share a database; it may have up to 64 bytes.
    """

    def __init__(self, seed: int, user_index: int, namespace: str = "") -> None:
        self._namespace = namespace.encode()
        self._texts = text_pool(seed)
        self._accounts = random.Random(f"{seed}/{user_index}/accounts")
        self._prompts = random.Random(f"{seed}/{user_index}/prompts")
        self._payments = random.Random(f"{seed}/{user_index}/payments")

    def account(self) -> Account:
        """A new account, its e-mail in a domain that no mail ever reaches."""
        draw = self._accounts
        name = draw.choice(self._texts.names)
        mailbox = "".join(letter for letter in name.lower() if letter.isalpha())
        return Account(
            email=f"{mailbox}.{self._token(draw).hex()}@example.com",
            password=draw.randbytes(12).hex(),
            name=name,
        )

    def prompt(self) -> dict[str, str]:
        """Body of a request that creates a generation task."""
        draw = self._prompts
        return {"prompt": draw.choice(self._texts.prompts), "model": draw.choice(MODELS)}

    def payment(self) -> Payment:
        """A new payment of 1.00 to 500.00 with a fresh idempotency key."""
        draw = self._payments
        return Payment(
            idempotency_key=str(uuid.UUID(bytes=self._token(draw), version=4)),
            amount_cents=draw.randint(100, 50_000),
            currency=draw.choice(CURRENCIES),
            description=draw.choice(self._texts.descriptions),
        )

    def _token(self, draw: random.Random) -> bytes:
        """16 bytes that only this user, draw and namespace get."""
        return hashlib.blake2b(draw.randbytes(16), key=self._namespace, digest_size=16).digest()


def seeded_data(seed: int, number: int) -> DataFactory:
    """The data of the n-th seeded user, counted from 0; its first account is the one that is seeded."""
    return DataFactory(seed, number, _SEEDED)


def seeded_account(seed: int, number: int, password: str) -> Account:
    """The n-th seeded account, as it stands in a database that was seeded with this seed and password."""
    return replace(seeded_data(seed, number).account(), password=password)


def seeded_number(worker: int, index: int, count: int) -> int:
    """The seeded account, from 0 to `count` - 1, of the index-th user of a worker process, counted from 0.

    A process takes one account after the other. However many processes there are, steps by the golden ratio keep
    their starts far apart, so that they share accounts only when these run short.
    """
    return (int(worker * GOLDEN_RATIO % 1 * count) + index) % count
