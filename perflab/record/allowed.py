"""Requests of Locust's clients go to this machine, to the target, or to a host that is allowed by name.

A redirect, or a URL that the locustfile makes, may lead anywhere. Such a request fails before anything is sent. What
else a locustfile connects to, a database say, is its own affair.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from gevent import sleep
from locust.clients import HttpSession
from locust.contrib.fasthttp import LocustUserAgent
from locust.env import Environment
from requests import RequestException
from requests.exceptions import InvalidURL
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from perflab.plan.hosts import allowed_hosts, is_loopback


class NotAllowedError(RequestException, ConnectionError):
    """A request that was not made: load may not go to its host. Both of Locust's clients count it as failed."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        # Locust's fast client takes whatever an error has under this name for an answer.
        del self.response


class AllowedHosts:
    """The hosts that the requests of an environment's users may go to, by name or by name and port.

    A worker that was started `by_hand` learns from its master where its users go. Elsewhere perflab has named the
    target if it had to: what a locustfile makes of the environment's host is as good as any other URL of its own.
    """

    def __init__(self, environment: Environment, *, by_hand: bool) -> None:
        self._environment = environment
        self._by_hand = by_hand
        self._named = allowed_hosts(os.environ)
        self._known: set[str] = set()

    def install(self) -> None:
        """Look at every request of Locust's two clients from now on, each step of a redirect by itself."""
        HttpSession.send = self._sending(HttpSession.send)  # type: ignore[method-assign]
        LocustUserAgent._urlopen = self._opening(LocustUserAgent._urlopen)  # type: ignore[method-assign]

    def check(self, name: str, port: int | None) -> None:
        """Raise NotAllowedError if a request may not go to a host, named as the client understands its URL."""
        name = name.strip("[]").lower()
        target = urlsplit(self._environment.host or "").hostname if self._by_hand else None
        if not is_loopback(name) and name != target and not {name, f"{name}:{port}"} & self._named:
            # As any request does: a user that makes one after the other would let nobody else have a turn.
            sleep(0)
            raise NotAllowedError(
                f"{name!r} is neither this machine nor the target, and is not allowed: name it with --allow-host "
                f"{name} or in LOAD_TEST_ALLOWED_HOSTS if you may load-test it"
            )

    def _sending(self, send: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(send)
        def sending(session: Any, request: Any, **how: Any) -> Any:
            # A redirect may lead to what names no host, mailto: for one; requests has its own answer to that.
            parts = request.url.split("/", 3)
            origin = parts[2] if len(parts) > 2 else ""
            if origin and origin not in self._known:
                try:
                    url = parse_url(request.url)
                except LocationParseError as error:
                    raise InvalidURL(error, request=request) from None
                self.check(url.host or "", url.port)
                self._known.add(origin)
            return send(session, request, **how)

        return sending

    def _opening(self, urlopen: Callable[..., Any]) -> Callable[..., Any]:
        def opening(agent: Any, request: Any) -> Any:
            origin = request.url_split.netloc
            if origin not in self._known:
                self.check(request.url_split.host, request.url_split.port)
                self._known.add(origin)
            return urlopen(agent, request)

        return opening
