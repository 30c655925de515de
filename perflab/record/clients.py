"""Locust's two HTTP clients: which requests are in flight, and where requests may go."""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import lru_cache, wraps
from ipaddress import ip_address
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from weakref import WeakSet

import gevent
from gevent import getcurrent
from locust.clients import HttpSession
from locust.contrib.fasthttp import FastHttpSession, LocustUserAgent
from locust.env import Environment
from requests import RequestException
from requests.exceptions import InvalidURL
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from perflab.plan.hosts import allowed_hosts, is_loopback
from perflab.record.exchange import Exchange
from perflab.record.outcome import name_of
from perflab.record.users import current_user_class
from perflab.vocabulary.redact import redact_values

# Names repeat, unless a locustfile gives every request its own.
_redacted = lru_cache(maxsize=1024)(redact_values)

MAX_KNOWN, MAX_OTHER_HOSTS = 1000, 100
OTHER_HOSTS = "(other hosts)"
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


class CutOff(NamedTuple):
    """A request that was cut off, for which Locust fires no event; `began` is in epoch seconds."""

    began: float
    method: str
    name: str
    user_class: str


class InFlight:
    """The requests of Locust's clients that are in flight, and those that were cut off."""

    def __init__(self) -> None:
        # One exchange per user greenlet, not per request; it goes away with its greenlet.
        self._exchanges: WeakSet[Exchange] = WeakSet()
        self._cut_off: list[CutOff] = []

    def __len__(self) -> int:
        return sum(exchange.under_way is not None for exchange in self._exchanges)

    def watch_clients(self) -> None:
        """Follow the requests of every session of this process from now on."""
        for session in (HttpSession, FastHttpSession):
            session.request = self._followed(session.request)  # type: ignore[method-assign]

    def take_cut_off(self, *, give_up: bool = False) -> list[CutOff]:
        """Return the requests that Locust has cut off since the last call, with `give_up` those in flight as well."""
        cut_off, self._cut_off = self._cut_off, []
        if give_up:
            cut_off += [_cut_off(exchange) for exchange in self._exchanges if exchange.under_way is not None]
        return cut_off

    def _followed(self, request: Callable[..., Any]) -> Callable[..., Any]:
        now = time.time_ns

        @wraps(request)
        def followed(
            session: Any, method: str, url: str | bytes, name: str | None = None, *args: Any, **kwargs: Any
        ) -> Any:
            called = name or session.request_name or url
            if isinstance(called, str) and ("?" in called or "@" in called) and (clean := _redacted(called)) != called:
                # Without a name the URL is the name, in Locust's own files too, and it may contain a token.
                name = called = clean
            greenlet: Any = getcurrent()
            try:
                exchange = greenlet.perflab_exchange
                if not exchange.idle or not exchange.opened:
                    exchange = self._new(greenlet, exchange)
            except AttributeError:
                exchange = self._new(greenlet, None)
            exchange.idle = False
            exchange.sent = exchange.arrived = exchange.returned = 0
            exchange.parts = None
            exchange.under_way = method, called
            exchange.opened = now()
            try:
                return request(session, method, url, name, *args, **kwargs)
            except gevent.GreenletExit:
                self._cut_off.append(_cut_off(exchange))
                raise
            finally:
                exchange.under_way = None
                if not exchange.idle:
                    # Its event has not fired yet.
                    exchange.returned = now()

        return followed

    def _new(self, greenlet: Any, last: Exchange | None) -> Exchange:
        """Return a new exchange for a greenlet that has none yet, or whose last one is still in use."""
        exchange = greenlet.perflab_exchange = Exchange()
        exchange.user_class = current_user_class()
        if last is not None:
            exchange.follow(last)
        self._exchanges.add(exchange)
        return exchange


def _cut_off(exchange: Exchange) -> CutOff:
    method, name = exchange.under_way or ("", "")
    return CutOff(exchange.opened / 1e9, name_of(method), name_of(name), exchange.user_class)


class NotAllowedError(RequestException, ConnectionError):
    """A request that was not sent, because its host is not allowed. Both of Locust's clients count it as failed."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        # Locust's fast client takes whatever an error has under this name for a response.
        del self.response


def _host_and_port(scheme: str | None, host: str | None, port: int | None) -> tuple[str, int]:
    """Return a URL's host and port in full; the names of this machine are one."""
    name = (host or "").strip("[]").lower()
    with contextlib.suppress(ValueError):
        name = str(ip_address(name))
    return "localhost" if name in _THIS_MACHINE else name, port or (443 if scheme == "https" else 80)


def _target(url: str | None) -> tuple[str, int]:
    try:
        parts = urlsplit(url or "")
        return _host_and_port(parts.scheme, parts.hostname, parts.port)
    except ValueError:
        # Locust refuses to ask it for anything.
        return "", 0


class AllowedHosts:
    """The hosts to which an environment's users may send requests: this machine, the target, and those allowed by name.

    A redirect, or a URL built by the locustfile, may lead anywhere. Such a request fails before anything is sent.
    Other connections of a locustfile, to a database for instance, are not checked.

    A worker that was started `by_hand` learns the target from its master. In other processes perflab has already
    allowed the target by name: a host that a locustfile sets in the environment is like any other URL of its own.
    `sides` are the targets of a duet.
    """

    def __init__(self, environment: Environment, *, by_hand: bool, sides: Iterable[str] = ()) -> None:
        self.other_hosts: Counter[str] = Counter()
        """Requests to other addresses than the target's, each step of a redirect counted, by host and port."""
        self.target_asked = False
        self._environment = environment
        self._by_hand = by_hand
        # A locustfile may change what the environment has.
        self._targets = {_target(url) for url in (*sides,) or (environment.host,)}
        self._named = allowed_hosts(os.environ)
        self._known: dict[tuple[str, str], str] = {}
        """By scheme and netloc, of what may be asked: as what it is counted, nothing for the target."""

    def install(self) -> None:
        """Check every request of Locust's two clients from now on, and each step of a redirect."""
        HttpSession.send = self._sending(HttpSession.send)  # type: ignore[method-assign]
        LocustUserAgent._urlopen = self._opening(LocustUserAgent._urlopen)  # type: ignore[method-assign]

    def check(self, name: str, port: int) -> None:
        """Raise NotAllowedError if requests may not go to a host, named as the client parses its URL."""
        name = name.strip("[]").lower()
        target = urlsplit(self._environment.host or "").hostname if self._by_hand else None
        if not is_loopback(name) and name != target and not {name, f"{name}:{port}"} & self._named:
            # As any request does: otherwise a user that makes one after the other would block the event loop.
            gevent.sleep(0)
            raise NotAllowedError(
                f"{name!r} is neither this machine nor the target, and is not allowed: name it with --allow-host "
                f"{name} or in LOAD_TEST_ALLOWED_HOSTS if you may load-test it"
            )

    def _look_at(self, origin: tuple[str, str], host: str, port: int | None) -> str:
        """Check an origin that was not asked before; return as what requests to it are counted."""
        scheme = origin[0]
        address = _host_and_port(scheme, host, port)
        self.check(host, address[1])
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        targets = {_target(self._environment.host)} if self._by_hand else self._targets
        self.target_asked |= address in targets
        self._known[origin] = "" if address in targets else self._counted_as(*address)
        return self._known[origin]

    def _counted_as(self, host: str, port: int) -> str:
        called = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return called if called in self.other_hosts or len(self.other_hosts) < MAX_OTHER_HOSTS else OTHER_HOSTS

    def _sending(self, send: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(send)
        def sending(session: Any, request: Any, **how: Any) -> Any:
            # A redirect may lead to a URL without a host, such as mailto:; requests refuses it by itself.
            parts = request.url.split("/", 3)
            if len(parts) > 2 and parts[2]:
                origin = parts[0].removesuffix(":"), parts[2]
                counted_as = self._known.get(origin)
                if counted_as is None:
                    try:
                        url = parse_url(request.url)
                    except LocationParseError as error:
                        raise InvalidURL(error, request=request) from None
                    counted_as = self._look_at(origin, url.host or "", url.port)
                if counted_as:
                    self.other_hosts[counted_as] += 1
            return send(session, request, **how)

        return sending

    def _opening(self, urlopen: Callable[..., Any]) -> Callable[..., Any]:
        def opening(agent: Any, request: Any) -> Any:
            url = request.url_split
            origin = url.scheme, url.netloc
            counted_as = self._known.get(origin)
            if counted_as is None:
                counted_as = self._look_at(origin, url.host, url.port)
            if counted_as:
                self.other_hosts[counted_as] += 1
            return urlopen(agent, request)

        return opening
