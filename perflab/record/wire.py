"""The wire clock: when bytes really left and arrived, measured at gevent's sockets, so that it works for any client.

Linux timestamps each TCP segment on arrival (SO_TIMESTAMPNS) and returns the timestamp with the bytes, however late a
busy generator reads them. Data is read with recvmsg, which returns the timestamp of the last segment read. With TLS,
OpenSSL reads the bytes itself and discards the timestamp, so perflab peeks at it beforehand.

Opening a connection has no timestamp. Its time is the round trip of the handshake as the kernel measured it (TCP_INFO),
or the time that the client measured if the kernel had to retransmit or gives no such figure.
"""

from __future__ import annotations

import _socket
import struct
import sys
from collections.abc import Callable
from functools import wraps
from time import time_ns
from typing import Any

import gevent.socket
import gevent.ssl
from gevent import getcurrent
from gevent._socketcommon import timeout_default

from perflab.record.exchange import current_exchange

# The socket module has this constant from Python 3.14 on. The value is the same on nearly all Linux architectures.
SO_TIMESTAMPNS = 35
_unpack_timespec = struct.Struct("qq").unpack
_U32 = struct.Struct("I")
_ANCILLARY_SIZE = 64
# The part of struct tcp_info that is read, and the offsets of tcpi_rtt and tcpi_total_retrans in it.
_TCP_INFO_SIZE, _RTT_US, _TOTAL_RETRANS = 104, 68, 100
_INET_FAMILIES = (_socket.AF_INET, _socket.AF_INET6)
_TYPE_MASK = 0xF
# A peek must reach the end of the receive queue: this is larger than nearly all of them.
_peek_buffer = bytearray(1 << 18)
# SSLSocket overrides recvmsg_into with a method that only raises.
_recvmsg_into = _socket.socket.recvmsg_into
woken_late_ns: list[int] = []
"""For each wait within a request: how long the event loop took to wake the client up once its wait was over, in ns.

Clients wait for bytes, a connection, a DNS lookup or the end of a sleep, or for nothing when they yield to other
greenlets. Whoever reads the list empties it.
"""

AVAILABLE = sys.platform == "linux"

_Socket: Any = gevent.socket.socket
_TlsSocket: Any = gevent.ssl.SSLSocket


def install() -> None:
    """Instrument gevent's socket classes; does nothing on systems without receive timestamps."""
    if not AVAILABLE:
        return
    # Only sockets that connect matter: servers and UDP keep their methods.
    _Socket.connect = _wrap_connect(_Socket.connect)
    _Socket.connect_ex = _wrap_connect(_Socket.connect_ex)
    _TlsSocket.send = _wrap_tls_send(_TlsSocket.send)
    _TlsSocket.read = _wrap_tls_read(_TlsSocket.read)
    _TlsSocket.do_handshake = _wrap_do_handshake(_TlsSocket.do_handshake)
    _TlsSocket._wait = _wrap_tls_wait(_TlsSocket._wait)


def keep_stamping() -> Any:
    """Return a socket that makes the kernel timestamp all segments for as long as it is open.

    The kernel starts timestamping shortly after the first socket asks for it, and stops with the last such socket.
    Without this one, responses on a lone new connection could arrive without a timestamp.
    """
    holder = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    if AVAILABLE:
        holder.setsockopt(_socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    return holder


class StampedSocket(_Socket):  # type: ignore[misc]
    """A gevent socket that records when it sends and when data arrived; a socket becomes one when it connects.

    `sendall` and `recv` are called for every request, so the usual case of `current_exchange`, `begin` and `stamp` is
    inlined in them, to cost the generator as little time as possible.
    """

    __slots__ = ()

    def send(self, data: Any, flags: int = 0, timeout: Any = timeout_default) -> Any:
        """Send as gevent does."""
        current_exchange().begin()
        return _Socket.send(self, data, flags, timeout)

    def sendall(self, data: Any, flags: int = 0) -> Any:
        """Send as gevent does, but try to send everything at once first, which is cheaper for a short request."""
        try:
            exchange = getcurrent().perflab_exchange
            if exchange.idle or exchange.returned:
                exchange = current_exchange()
        except AttributeError:
            exchange = current_exchange()
        if exchange.arrived:
            exchange.begin()
        elif not exchange.sent:
            exchange.sent = time_ns()
        if type(data) is not bytes:
            return _Socket.sendall(self, data, flags)
        try:
            sent = self._sock.send(data, flags)
        except BlockingIOError:
            # The send buffer is full: gevent waits and tries again.
            sent = 0
        return None if sent == len(data) else _Socket.sendall(self, memoryview(data)[sent:], flags)

    def recv(self, size: int, flags: int = 0) -> Any:
        """Receive as gevent does."""
        if flags or self.timeout == 0.0:
            return _Socket.recv(self, size, flags)
        try:
            exchange = getcurrent().perflab_exchange
            if exchange.idle or exchange.returned:
                exchange = current_exchange()
        except AttributeError:
            exchange = current_exchange()
        wait_began = woken_at = 0
        if exchange.sent and not exchange.arrived:
            # The response can't have arrived yet: trying to read first would only cost an exception.
            wait_began = time_ns()
            self._wait(self._read_event)
            woken_at = time_ns()
        while True:
            try:
                data, ancillary, _, _ = self._sock.recvmsg(size, _ANCILLARY_SIZE)
            except BlockingIOError:
                self._wait(self._read_event)
                woken_at = time_ns()
            else:
                if ancillary:
                    seconds, ns = _unpack_timespec(ancillary[0][2])
                    arrived_at = seconds * 1_000_000_000 + ns
                    if woken_at:
                        # If the response was already there, the client has waited only since it began to.
                        woken_late_ns.append(woken_at - (arrived_at if arrived_at > wait_began else wait_began))
                    if arrived_at > exchange.arrived and arrived_at >= exchange.sent > 0:
                        exchange.arrived = arrived_at
                return data

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> Any:
        """Receive as gevent does."""
        if flags or self.timeout == 0.0:
            return _Socket.recv_into(self, buffer, nbytes, flags)
        exchange = current_exchange()
        wait_began = woken_at = 0
        if exchange.sent and not exchange.arrived:
            wait_began = time_ns()
            self._wait(self._read_event)
            woken_at = time_ns()
        target = memoryview(buffer).cast("B")[:nbytes] if nbytes else buffer
        while True:
            try:
                count, ancillary, _, _ = self._sock.recvmsg_into((target,), _ANCILLARY_SIZE)
            except BlockingIOError:
                self._wait(self._read_event)
                woken_at = time_ns()
            else:
                if ancillary:
                    arrived_at = exchange.stamp(*_unpack_timespec(ancillary[0][2]))
                    if woken_at:
                        woken_late_ns.append(woken_at - (arrived_at if arrived_at > wait_began else wait_began))
                return count


def _wrap_connect(connect: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(connect)
    def connect_and_measure(self: Any, address: Any) -> Any:
        raw = self._sock
        if raw.family not in _INET_FAMILIES or raw.type & _TYPE_MASK != _socket.SOCK_STREAM:
            return connect(self, address)
        raw.setsockopt(_socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        if type(self) is _Socket:
            # By the class: gevent's sockets have no room for a flag, and testing one would slow all other sockets.
            self.__class__ = StampedSocket
        exchange = current_exchange()
        exchange.begin()
        sent_at, called_at = exchange.sent, time_ns()
        result = connect(self, address)
        if not result:
            # Earlier attempts count too: on another address, or on a stale connection.
            client_ns = time_ns() - called_at
            handshake_ns = _handshake_ns(raw, client_ns)
            woken_late_ns.append(client_ns - handshake_ns)
            exchange.end_part(called_at - sent_at + handshake_ns, connecting=True)
        return result

    return connect_and_measure


def _handshake_ns(raw: Any, client_ns: int) -> int:
    """Return how long connecting took in ns: by the kernel, else `client_ns`, as the client measured it."""
    try:
        info = raw.getsockopt(_socket.IPPROTO_TCP, _socket.TCP_INFO, _TCP_INFO_SIZE)
        (rtt_us,), (retransmissions,) = _U32.unpack_from(info, _RTT_US), _U32.unpack_from(info, _TOTAL_RETRANS)
    except (OSError, struct.error):
        return client_ns
    return min(rtt_us * 1000, client_ns) if rtt_us and not retransmissions else client_ns


def _wrap_tls_send(send: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(send)
    def send_and_note(self: Any, data: Any, flags: int = 0, timeout: Any = timeout_default) -> Any:
        if not self.server_side:
            current_exchange().begin()
        return send(self, data, flags, timeout)

    return send_and_note


def _wrap_tls_read(read: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(read)
    def peek_and_read(self: Any, nbytes: int = 2014, buffer: Any = None) -> Any:
        _peek_timestamp(self)
        return read(self, nbytes, buffer)

    return peek_and_read


def _wrap_tls_wait(wait: Callable[..., Any]) -> Callable[..., Any]:
    def wait_and_peek(self: Any, watcher: Any, timeout_exc: Any = None) -> None:
        wait(self, watcher, timeout_exc)
        if watcher is self._read_event:
            _peek_timestamp(self, woken_at=time_ns())

    return wait_and_peek


def _wrap_do_handshake(do_handshake: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(do_handshake)
    def handshake_and_measure(self: Any) -> Any:
        if self.server_side:
            return do_handshake(self)
        exchange = current_exchange()
        exchange.begin()
        result = do_handshake(self)
        exchange.end_part(None if exchange.arrived else time_ns() - exchange.sent, connecting=True)
        return result

    return handshake_and_measure


def _peek_timestamp(self: Any, woken_at: int = 0) -> None:
    """Record the timestamp of data that has arrived but not been read yet, because OpenSSL discards it.

    `woken_at` is when the reader was woken up, in epoch ns; 0 if it did not have to wait.
    """
    if self.server_side:
        return
    try:
        _, ancillary, _, _ = _recvmsg_into(self._sock, (_peek_buffer,), _ANCILLARY_SIZE, _socket.MSG_PEEK)
    except OSError:
        # There is no data, or the connection is closed: the read that follows will notice.
        return
    if ancillary:
        arrived_at = current_exchange().stamp(*_unpack_timespec(ancillary[0][2]))
        if woken_at:
            woken_late_ns.append(woken_at - arrived_at)
