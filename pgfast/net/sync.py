"""The driver for threads: carries operations out over a socket, waiting in recv() or, with a deadline, in poll().

How it works. Where a single call can be told not to wait (MSG_DONTWAIT) the socket itself is blocking: an answer
without a deadline is then waited for in the very recv() that takes it, which saves the poll(). TLS, and platforms
without that flag, have a non-blocking socket. Nothing is ever sent by a call that waits, so that both peers can write
at once.

Law of this file: every wait has a deadline, and every way out of `Link.run` leaves the session at rest or the socket
closed. It knows steps, sockets and time; of a session it knows its buffers and whether it rests, of messages nothing.
"""

from __future__ import annotations

import contextlib
import errno
import inspect
import math
import os
import select
import socket
import ssl
from collections.abc import Callable
from concurrent import futures
from typing import Any, Final, TypeVar

from ..errors import Error, InterfaceError, OperationalError, TimeoutError
from ..protocol import operations
from ..protocol.operations import Ask, Block, Call, Consult, Hangup, Layer, Operation, Pull, Read, Step, Wrap, Write
from ..protocol.session import Session
from . import sockets, tls
from .conninfo import ConnInfo
from .deadline import Deadline
from .layers import LayeredSocket
from .sockets import Address

T = TypeVar("T")

_READ: Final = 1
_WRITE: Final = 4
_RAW_BYTES: Final = 4096
#: The flag by which a single call does not wait; 0 where the platform has none.
_DONT_WAIT: Final = getattr(socket, "MSG_DONTWAIT", 0)
#: What a non-blocking connect says; Windows says the second. EAGAIN is not among them: a Unix socket says it when the
#: server's queue is full.
_IN_PROGRESS: Final = (errno.EINPROGRESS, getattr(errno, "WSAEWOULDBLOCK", errno.EINPROGRESS))


def _wait_for(sock: socket.socket | LayeredSocket, events: int, deadline: Deadline) -> None:
    """Return when the socket is ready for one of the events, or broken. Raises TimeoutError."""
    left = deadline.remaining()
    if hasattr(select, "poll"):
        poll = select.poll()
        try:
            poll.register(sock, (select.POLLIN if events & _READ else 0) | (select.POLLOUT if events & _WRITE else 0))
        except ValueError:
            return  # another thread has closed it, which the next call on it says
        ready: Any = poll.poll(None if left is None else math.ceil(left * 1000))
    else:
        readers = [sock] if events & _READ else []
        writers = [sock] if events & _WRITE else []
        # Windows reports a failed connect only in the third list.
        found = select.select(readers, writers, writers, left)
        ready = found[0] or found[1] or found[2]
    if not ready:
        raise deadline.passed()


class Link:
    """A connected socket and the session that speaks over it.

    `unsent` is what a Write has not sent yet: an interrupted operation must still send it, because it may begin in the
    middle of a message.
    """

    def __init__(self, sock: socket.socket, session: Session, info: ConnInfo, address: Address) -> None:
        self.session = session
        self.info = info
        self.address = address
        self.unsent: list[Block] = []
        self._sending = False  # from a call that sends until it is noted what it has sent
        self._waiting = False  # until bytes, room or the caller's source come: nothing is half done then
        self._sock: socket.socket | LayeredSocket = sock
        self._flags = _DONT_WAIT
        sock.setblocking(bool(_DONT_WAIT))
        self._tls: tls.Settings | None = None
        self._sealed = False

    @property
    def encryption(self) -> str | None:
        """What encrypts the connection: "gss", "tls" or nothing."""
        return "gss" if self._sealed else "tls" if self._tls is not None else None

    @property
    def closed(self) -> bool:
        """Whether the socket is closed."""
        return self._sock.fileno() < 0

    def fileno(self) -> int:
        """The socket's descriptor, -1 when closed."""
        return self._sock.fileno()

    @property
    def quiet(self) -> bool:
        """Whether nothing has come that was not asked for, not even the end of the stream."""
        return sockets.is_quiet(self._sock.fileno())

    def close(self) -> None:
        """Close the socket, saying nothing to the server."""
        self._sock.close()

    def terminate(self, alone: bool = True) -> None:
        """Say goodbye, without waiting, and close.

        Where another thread may be using the connection (`alone` is false) and TLS is on, nothing is said: what
        encrypts is not for two threads at a time.
        """
        if self.session.dead is None:
            goodbye = operations.terminate(self.session)
            if not self.unsent and not self.closed and (alone or self.encryption is None):
                with contextlib.suppress(OSError):  # nobody may be listening any more, which is what is wanted
                    self._sock.send(goodbye, self._flags)
        with contextlib.suppress(OSError):
            self._shut_down()  # wakes a thread that waits for an answer
        self.close()

    def _shut_down(self) -> None:
        """Send and receive no more. Another thread may be sending: where TLS is on, nothing may go out without it.

        The method of TLS sockets takes TLS off first, and what is sent between that and the shutdown is not encrypted.
        """
        sock = self._sock
        if isinstance(sock, ssl.SSLSocket):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)
        else:
            sock.shutdown(socket.SHUT_RDWR)

    # ------------------------------------------------------------ carrying out

    def run(self, operation: Operation[T], deadline: Deadline) -> T:
        """What the operation returns.

        Whatever ends it early (a timeout, KeyboardInterrupt, an error) leaves the session at rest: what the server was
        doing is cancelled, within sockets.GRACE_S; where that does not succeed the socket is closed. So it is where a
        signal's handler has raised while a message was being made, sent or taken.
        """
        was_idle = self.session.transaction_status == "I"
        self._sending = self._waiting = False
        try:
            try:
                step = operation.send(None)
                if type(step) is Ask:  # the commonest beginning, and often all of it
                    step = operation.send(self._ask(deadline))
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return]
            return self._drive(operation, deadline, step)
        except BaseException as exc:
            operation.close()
            if self._is_in_doubt(exc):
                self.break_off(exc)
            else:
                self.come_to_rest(was_idle)
            raise

    def _is_in_doubt(self, exc: BaseException) -> bool:
        """Whether it is not known after `exc` what has been sent, or what is yet to come.

        A signal's handler may raise between any two steps of the interpreter: when a request is written and its answer
        not announced yet, or a block is sent and still counted as unsent. What is sent again is executed again, and an
        answer nobody waits for would be the next request's.
        """
        if self._sending:
            return True
        if self.session.at_rest:
            return self.session.out.size_bytes > 0
        return not self._waiting and not isinstance(exc, Exception)

    def break_off(self, exc: BaseException) -> None:
        """Close the connection, of which it is not known what the server says next.

        The server is asked to cancel what it may be doing: it would notice the end of the connection only when it next
        says something.
        """
        try:
            if not self.session.starting and self.session.dead is None:
                with contextlib.suppress(Error, OSError):  # there may be nothing to cancel, and nobody to ask
                    self.cancel(Deadline(sockets.GRACE_S))
        finally:
            self.session.die(OperationalError(f"an operation was interrupted by {type(exc).__name__} in the middle"))
            self.close()

    def _drive(self, operation: Operation[T], deadline: Deadline, first: Step | None = None) -> T:
        """What the operation returns, which stands at `first` where it has been begun."""
        step: Any = first
        advance: Callable[[Any], Any] = operation.send
        answer: Any = None
        while True:
            try:
                step = advance(answer) if step is None else step
            except StopIteration as stop:
                answer = None  # an error that was thrown in would keep this frame by its traceback, and the connection
                return stop.value  # type: ignore[no-any-return]
            except BaseException:
                answer = None  # it may hold a secret, and tools that report errors show the variables of every frame
                raise
            advance, answer = operation.send, None
            if type(step) is Ask:
                answer = self._ask(deadline)
            elif type(step) is Read:
                if step.raw:
                    answer = self._receive_raw(deadline, step.reset)
                elif step.patience is not None:
                    answer = self._receive_patiently(step.patience, deadline)
                else:
                    answer = self._receive(deadline)
            elif type(step) is Write:
                answer = self._send(step.blocks, step.listen, deadline)
            elif type(step) is Pull:
                self._waiting = True
                try:
                    answer = next(step.source, None)  # type: ignore[arg-type]
                except Exception as exc:  # the operation ends what it has begun, then it comes back
                    advance, answer = operation.throw, exc
                deadline.remaining()
                self._waiting = False
            elif type(step) is Wrap:
                self._wrap(step.layer)
                self._sealed = self._sealed or step.encrypts
                answer = None
            elif type(step) is Hangup:
                self.close()
                answer = None
            elif type(step) is Call:
                self._waiting = True
                try:
                    answer = _value_of(step.function)
                except Exception as exc:
                    advance, answer = operation.throw, exc
                deadline.remaining()
                self._waiting = False
            elif type(step) is Consult:
                self._waiting = True
                try:
                    answer = self._consult(step.function, deadline)
                except Exception as exc:
                    advance, answer = operation.throw, exc
                self._waiting = False
            else:
                answer = self._upgrade(step.tls, deadline)
            step = None

    def come_to_rest(self, was_idle: bool) -> None:
        """Cancel what is under way and bring the session to rest; close where that does not succeed within
        sockets.GRACE_S.

        With `was_idle`, in autocommit mode, a transaction begun since is rolled back.
        """
        session = self.session
        if session.dead is not None or session.starting:
            self.close()
            return
        if session.at_rest and not self.unsent and not session.out.size_bytes and session.undo is None:
            return
        deadline = Deadline(sockets.GRACE_S)
        try:
            while not self._recovered(was_idle, deadline):
                pass
        except Error as exc:
            session.die(OperationalError(f"an interrupted operation could not be cancelled: {exc}"))
            self.close()
        except BaseException:
            session.die(OperationalError("the cancelling of an interrupted operation was itself interrupted"))
            self.close()
            raise

    def _recovered(self, was_idle: bool, deadline: Deadline) -> bool:
        """Whether cancelling once has brought the session to rest.

        A request that arrives between two statements of a pipeline is forgotten by the server (postgres.c,
        ProcessClientReadInterrupt), so it must be made again.
        """
        if not self.session.at_rest:
            self.cancel(deadline)
        try:
            recovering = operations.recover(self.session, self.unsent, was_idle)
            self._drive(recovering, deadline.sooner(sockets.CANCEL_AGAIN_S))
        except TimeoutError:
            deadline.remaining()
            return False
        return True

    def cancel(self, deadline: Deadline) -> None:
        """Ask the server, over a connection of its own, to cancel what the session is doing. Any thread may call it."""
        sock = connected(self.address, self.info, deadline)
        link = Link(sock, Session(), self.info, self.address)
        try:
            encryption = sockets.same_encryption(self.info, self.encryption, self._tls)
            request = operations.request_cancel(link.session, self.session, encryption)
            link._drive(request, deadline)
        finally:
            link.close()

    # ------------------------------------------------------------ the steps

    def _ask(self, deadline: Deadline) -> list[Block]:
        """The blocks left over of what the session has written; where none are, bytes have been received."""
        self._sending = True
        session, sock = self.session, self._sock
        block = session.out.take_short()
        self.unsent = blocks = [block]
        try:
            sent = sock.send(block, self._flags)
        except OSError:  # `_send` finds out what is wrong with the socket
            sent = 0
        if sent == len(block):
            blocks.clear()
            self._sending = False
        else:
            blocks[0] = block[sent:]
            self._sending = False
            if self._send(blocks, False, deadline):
                return blocks
        if not self._flags or not deadline.unlimited:
            if not self._receive(deadline):
                raise session.lost()
            return blocks
        received = session.received
        view = received.get_buffer()
        self._waiting = True
        try:
            size = sock.recv_into(view)
        except OSError as exc:
            raise session.lost(exc) from exc
        self._waiting = False
        if not size:
            raise session.lost()
        received.commit(size)
        return blocks

    def _receive(self, deadline: Deadline) -> int:
        """Bytes received into the session's buffer, 0 at the end of the stream."""
        received = self.session.received
        view = received.get_buffer()
        if self._flags and deadline.unlimited:
            self._waiting = True
            try:
                size = self._sock.recv_into(view)
            except OSError as exc:
                raise self.session.lost(exc) from exc
            self._waiting = False
        else:
            size = self._receive_into(view, deadline)
        received.commit(size)
        return size

    def _receive_patiently(self, patience: float, deadline: Deadline) -> int:
        """As `_receive`, -1 where nothing has come in so many seconds."""
        left = deadline.remaining()
        try:
            return self._receive(Deadline(patience if left is None else min(patience, left)))
        except TimeoutError:
            self._waiting = False
            deadline.remaining()
            return -1

    def _receive_raw(self, deadline: Deadline, reset: bool) -> bytes:
        data = bytearray(_RAW_BYTES)
        try:
            return bytes(data[: self._receive_into(memoryview(data), deadline)])
        except OperationalError as exc:
            if reset and isinstance(exc.__cause__, ConnectionError):
                return b""
            raise

    def _receive_into(self, view: memoryview, deadline: Deadline) -> int:
        deadline.remaining()
        while True:
            try:
                return self._sock.recv_into(view, 0, self._flags)
            except (BlockingIOError, ssl.SSLWantReadError):
                events = _READ
            except ssl.SSLWantWriteError:
                events = _WRITE
            except OSError as exc:
                raise self.session.lost(exc) from exc
            self._wait(events, deadline)

    def _wait(self, events: int, deadline: Deadline) -> None:
        """Return when the socket is ready for one of the events.

        Raises TimeoutError, or OperationalError when another thread has closed it.
        """
        if self.closed:
            raise self.session.lost()
        if isinstance(self._sock, LayeredSocket) and self._sock.pending:
            events |= _WRITE
        self._waiting = True
        _wait_for(self._sock, events, deadline)
        self._waiting = False

    def _receive_now(self) -> int:
        """Bytes received without waiting; -1 at the end of the stream."""
        view = self.session.received.get_buffer()
        try:
            size = self._sock.recv_into(view, 0, self._flags)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return 0
        except OSError:  # the connection is gone, which the caller says
            return -1
        self.session.received.commit(size)
        return size or -1

    def _send(self, blocks: list[Block], listen: bool, deadline: Deadline) -> list[Block]:
        """The blocks left over: none, or those the socket does not take while bytes have come."""
        self.unsent = blocks
        deadline.remaining()
        while blocks:
            self._sending = True
            try:
                sent = self._sock.send(blocks[0], self._flags)
            except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError) as exc:
                self._sending = False
                reading = isinstance(exc, ssl.SSLWantReadError)
                self._wait(_READ if reading else _READ | _WRITE, deadline)
                received = self._receive_now()
                if received > 0:
                    return blocks
                if received < 0:  # nobody will take the rest, and waiting for room would end at once for ever
                    raise self.session.lost() from None
            except OSError as exc:
                self._sending = False
                # The server may have said why before it hung up.
                while self._receive_now() > 0:
                    deadline.remaining()
                raise self.session.lost(exc) from exc
            else:
                if sent == len(blocks[0]):
                    del blocks[0]
                else:
                    blocks[0] = blocks[0][sent:]
                self._sending = False
        if listen and self._receive_now() < 0:
            raise self.session.lost()
        return blocks

    def _wrap(self, layer: Layer) -> None:
        if isinstance(self._sock, LayeredSocket):
            self._sock.put_on(layer)
            return
        self._flags = 0
        self._sock.setblocking(False)
        self._sock = LayeredSocket(self._sock, layer, self.session.die)

    @staticmethod
    def _consult(function: Callable[[], Any], deadline: Deadline) -> Any:
        """What the function gives, which runs in a thread. Raises what it raises, TimeoutError."""
        future = sockets.in_thread(function)
        futures.wait([future], deadline.remaining())
        try:
            if not future.done():
                raise deadline.passed()
            return future.result()
        finally:
            del future  # the error it holds has this frame in its traceback

    def _upgrade(self, settings: tls.Settings, deadline: Deadline) -> bytes | None:
        """The server's certificate in DER."""
        assert isinstance(self._sock, socket.socket), "TLS lies below any layer"
        self._flags = 0
        self._sock.setblocking(False)
        try:
            wrapped = settings.context.wrap_socket(
                self._sock, server_hostname=settings.hostname, do_handshake_on_connect=False
            )
            self._sock = wrapped
            while True:
                try:
                    wrapped.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    _wait_for(wrapped, _READ, deadline)
                except ssl.SSLWantWriteError:
                    _wait_for(wrapped, _WRITE, deadline)
        except OSError as exc:  # ssl.SSLError is one
            raise sockets.handshake_failed(exc, self.info.sslmode) from exc
        self._tls = settings
        return settings.finish(wrapped)


def _value_of(function: Callable[[], Any]) -> Any:
    """What a function of the program's gives."""
    value = function()
    if inspect.isawaitable(value):
        if inspect.iscoroutine(value):
            value.close()
        raise InterfaceError("this connection cannot await: give it a function that is not async, or AsyncConnection")
    return value


# ---------------------------------------------------------------- connecting


def connected(address: Address, info: ConnInfo, deadline: Deadline) -> socket.socket:
    """A socket connected to the address. Raises OperationalError, TimeoutError among them."""
    theirs = bool(address.given) or address.source is not None
    if address.given:
        sock = sockets.prepared(address.given.pop(), info)
    elif address.source is not None:
        sock = sockets.prepared(_value_of(address.source), info)
    else:
        sock = sockets.open_socket(address, info)
    try:
        code = 0 if theirs else sock.connect_ex(address.sockaddr)
        if code in _IN_PROGRESS:
            _wait_for(sock, _WRITE, deadline)
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
        sockets.check_peer(sock, info)
    except TimeoutError as exc:
        sock.close()
        raise TimeoutError(f"could not connect to {address.name}: {exc}") from exc
    except OperationalError:
        sock.close()
        raise
    except OSError as exc:
        sock.close()
        raise sockets.connect_failed(address, exc) from exc
    except BaseException:
        sock.close()
        raise
    return sock
