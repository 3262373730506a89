"""The driver for asyncio: carries operations out over a transport, which fills the session's ReadBuffer itself.

Law of this file: as in `sync`: every wait has a deadline, and every way out of `Link.run`, the cancelling of the task
included, leaves the session at rest or the transport closed. The Link is the protocol of its transport
(asyncio.BufferedProtocol), so bytes go from the socket into the block they are decoded from.
"""

from __future__ import annotations

import asyncio
import inspect
import socket
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar, cast

from .. import const
from ..errors import Error, OperationalError, ProtocolError, TimeoutError
from ..protocol import operations
from ..protocol.operations import Ask, Block, Call, Consult, Hangup, Layer, Operation, Pull, Read, Step, Wrap, Write
from ..protocol.session import Session
from . import sockets, tls
from .conninfo import ConnInfo
from .deadline import Deadline
from .layers import RAW_BYTES, Stacked
from .sockets import Address

T = TypeVar("T")

_RAW_BYTES: Final = 4096
#: asyncio wants a limit for the handshake; where the caller gives none, this one, which is asyncio's own.
_HANDSHAKE_S: Final = 60.0


async def within(work: Awaitable[T], seconds: float | None) -> T:
    """What the work gives, within so many seconds, None for no limit.

    Raises asyncio.TimeoutError, the work is then cancelled. asyncio.wait_for, before Python 3.12, forgets that the task
    was cancelled where the work ends in the same turn of the event loop: the caller would wait on, for ever.
    """
    if seconds is None:
        return await work
    future = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait([future], timeout=seconds)
        if done:
            return future.result()
        raise asyncio.TimeoutError
    finally:
        if not future.done():
            future.cancel()
            await asyncio.wait([future])
        if not future.cancelled():
            future.exception()  # somebody has looked


class Link(asyncio.BufferedProtocol):
    """A connected transport and the session that speaks over it.

    It begins raw: bytes are put aside and reading is paused, until the first Read that is not raw. So nothing that
    comes with the answer to SSLRequest can slip into the session, and nothing is lost.
    """

    def __init__(self, session: Session, info: ConnInfo, address: Address, loop: asyncio.AbstractEventLoop) -> None:
        self.session = session
        self.info = info
        self.address = address
        self.loop = loop
        self.unsent: list[Block] = []
        self._transport: asyncio.Transport | None = None
        self._tls: tls.Settings | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._raw: bytearray | None = bytearray()
        self._layer: Layer | None = None
        self._sealed = False
        self._scratch = memoryview(bytearray(_RAW_BYTES))
        self._fresh = 0
        self._reading_paused = False
        self._writing_paused = False
        self._ended = False
        self._cause: Exception | None = None
        self._gone = loop.create_future()

    # ------------------------------------------------------------ what the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport. Other event loops' transports are no subclasses of asyncio's."""
        self._transport = cast(asyncio.Transport, transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go: the free tail of the session's block."""
        if self._raw is not None or self._layer is not None:
            return self._scratch
        return self.session.received.get_buffer(sizehint)

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes have come; after a block's worth that nobody has asked for the peer must wait."""
        if self._raw is not None:
            data: memoryview | bytes = self._scratch[:nbytes]
            self._raw += data if self._layer is None else self._opened(self._layer, data)
            self._pause_reading()
        else:
            if self._layer is None:
                self.session.received.commit(nbytes)
                self._fresh += nbytes
            else:
                self._take_through(self._layer, self._scratch[:nbytes])
            if self._fresh >= const.READ_BLOCK_SIZE:
                self._pause_reading()
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _take_through(self, layer: Layer, data: memoryview | bytes) -> None:
        """Bytes that have come, as the layer reads them, into the session's buffer."""
        self._put(self._opened(layer, data))

    def _put(self, data: bytes | bytearray) -> None:
        """Bytes of the session's own encoding into its buffer."""
        coming = memoryview(data)
        while coming:
            view = self.session.received.get_buffer(len(coming))
            size = min(len(view), len(coming))
            view[:size] = coming[:size]
            self.session.received.commit(size)
            self._fresh += size
            coming = coming[size:]

    def _opened(self, layer: Layer, data: memoryview | bytes) -> bytes:
        """What the layer reads of bytes that have come; nothing where they cannot be, which ends the session."""
        try:
            return layer.incoming(data)
        except Error as exc:
            self._cause = self._cause or self.session.die(exc)
            return b""

    def eof_received(self) -> bool:
        """The peer sends no more; the transport closes itself."""
        self._ended = True
        self._wake()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport is closed."""
        self._ended = True
        self._transport = None  # a transport that has said goodbye may not even be aborted
        self._cause = self._cause or exc
        if not self._gone.done():
            self._gone.set_result(None)
        self._wake()

    def pause_writing(self) -> None:
        """The transport's buffer is full."""
        self._writing_paused = True

    def resume_writing(self) -> None:
        """The transport's buffer has room again."""
        self._writing_paused = False
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _pause_reading(self) -> None:
        if not self._reading_paused and self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()
            self._reading_paused = True

    def _resume_reading(self) -> None:
        if self._reading_paused and self._transport is not None:
            self._reading_paused = False
            if not self._transport.is_closing():
                self._transport.resume_reading()

    # ------------------------------------------------------------ what a connection asks

    @property
    def encryption(self) -> str | None:
        """What encrypts the connection: "gss", "tls" or nothing."""
        return "gss" if self._sealed else "tls" if self._tls is not None else None

    @property
    def closed(self) -> bool:
        """Whether the transport is closed or closing."""
        return self._transport is None or self._transport.is_closing()

    def fileno(self) -> int:
        """The socket's descriptor, -1 when closed."""
        sock = None if self._transport is None else self._transport.get_extra_info("socket")
        return -1 if sock is None else int(sock.fileno())

    def close(self) -> None:
        """Close the socket at once, saying nothing to the server."""
        if self._transport is not None:
            self._transport.abort()

    @property
    def quiet(self) -> bool:
        """Whether nothing has come that was not asked for, not even the end of the stream."""
        if self._fresh or self._ended or self._cause is not None:
            return False
        return sockets.is_quiet(self.fileno())

    def say_goodbye(self) -> None:
        """Say goodbye and close, which the event loop does when what was written before is sent."""
        if self._transport is None:
            return
        if self.session.dead is None:
            goodbye = operations.terminate(self.session)
            if not self.unsent and not self.closed:
                self._write(self._transport, goodbye)
        self._transport.close()

    async def terminate(self, deadline: Deadline) -> None:
        """Say goodbye and close, waiting for what was written before, within the deadline and sockets.GRACE_S."""
        if self._transport is None:
            return
        self.say_goodbye()
        left = deadline.remaining()
        done, _ = await asyncio.wait(
            [self._gone], timeout=sockets.GRACE_S if left is None else min(left, sockets.GRACE_S)
        )
        if not done:
            self.close()

    # ------------------------------------------------------------ carrying out

    async def run(self, operation: Operation[T], deadline: Deadline) -> T:
        """What the operation returns.

        Whatever ends it early (a timeout, the cancelling of the task, an error) leaves the session at rest: what the
        server was doing is cancelled, within sockets.GRACE_S; where that does not succeed the transport is closed.
        """
        was_idle = self.session.transaction_status == "I"
        try:
            try:
                step = operation.send(None)
                if type(step) is Ask:  # the commonest beginning, and often all of it
                    transport = self._transport
                    left: list[Block] = []
                    roundabout = self._raw is not None or self._layer is not None
                    if transport is None or roundabout or self._writing_paused or not deadline.unlimited:
                        left = await self._ask(deadline)
                    else:  # as `_ask`, without another coroutine
                        self.unsent = left
                        transport.write(self.session.out.take_short())
                        while not self._fresh:
                            if self._ended or self._cause is not None:
                                raise self._lost()
                            if self._reading_paused:
                                self._resume_reading()
                            waiter = self._waiter = self.loop.create_future()
                            try:
                                await waiter
                            finally:
                                self._waiter = None
                        self._fresh = 0
                        if self._reading_paused:
                            self._resume_reading()
                    step = operation.send(left)
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return]
            return await self._drive(operation, deadline, step)
        except GeneratorExit:  # the event loop is gone, nothing can be awaited
            operation.close()
            self.close()
            raise
        except BaseException:
            operation.close()
            await self.come_to_rest(was_idle)
            raise

    async def _drive(self, operation: Operation[T], deadline: Deadline, first: Step | None = None) -> T:
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
                answer = await self._ask(deadline)
            elif type(step) is Read:
                if step.raw:
                    answer = await self._receive_raw(deadline)
                elif step.patience is not None:
                    answer = await self._receive_patiently(step.patience, deadline)
                else:
                    answer = await self._receive(deadline)
            elif type(step) is Write:
                answer = await self._send(step.blocks, step.listen, deadline)
            elif type(step) is Pull:
                try:
                    answer = await self._pull(step.source, deadline)
                except Exception as exc:  # the operation ends what it has begun, then it comes back
                    advance, answer = operation.throw, exc
            elif type(step) is Wrap:
                self._wrap(step.layer)
                self._sealed = self._sealed or step.encrypts
                answer = None
            elif type(step) is Hangup:
                self.close()
                answer = None
            elif type(step) is Call:
                try:
                    answer = await _value_of(step.function, deadline)
                except Exception as exc:
                    advance, answer = operation.throw, exc
            elif type(step) is Consult:
                try:
                    answer = await self._consult(step.function, deadline)
                except Exception as exc:
                    advance, answer = operation.throw, exc
            else:
                answer = await self._upgrade(step.tls, deadline)
            step = None

    async def come_to_rest(self, was_idle: bool) -> None:
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
            while not await self._recovered(was_idle, deadline):
                pass
        except Error as exc:
            session.die(OperationalError(f"an interrupted operation could not be cancelled: {exc}"))
            self.close()
        except BaseException:
            session.die(OperationalError("the cancelling of an interrupted operation was itself interrupted"))
            self.close()
            raise

    async def _recovered(self, was_idle: bool, deadline: Deadline) -> bool:
        """Whether cancelling once has brought the session to rest.

        A request that arrives between two statements of a pipeline is forgotten by the server (postgres.c,
        ProcessClientReadInterrupt), so it must be made again.
        """
        if not self.session.at_rest:
            await self.cancel(deadline)
        try:
            recovering = operations.recover(self.session, self.unsent, was_idle)
            await self._drive(recovering, deadline.sooner(sockets.CANCEL_AGAIN_S))
        except TimeoutError:
            deadline.remaining()
            return False
        return True

    async def cancel(self, deadline: Deadline) -> None:
        """Ask the server, over a connection of its own, to cancel what the session is doing."""
        link = await connected(self.address, self.info, Session(), deadline)
        try:
            encryption = sockets.same_encryption(self.info, self.encryption, self._tls)
            request = operations.request_cancel(link.session, self.session, encryption)
            await link._drive(request, deadline)
        finally:
            link.close()

    # ------------------------------------------------------------ the steps

    async def _wait(self, deadline: Deadline) -> None:
        """Return when the transport has called. Raises TimeoutError."""
        left = deadline.remaining()
        waiter = self._waiter = self.loop.create_future()
        timer = None if left is None else self.loop.call_later(left, _expire, waiter, deadline)
        try:
            await waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    def _lost(self) -> Error:
        """The exception for a connection that is gone, or of which the layer can read no more."""
        return self._cause if isinstance(self._cause, Error) else self.session.lost(self._cause)

    async def _ask(self, deadline: Deadline) -> list[Block]:
        """The blocks left over of what the session has written; where none are, bytes have come."""
        left = await self._send([self.session.out.take_short()], False, deadline)
        if not left and not await self._receive(deadline):
            raise self._lost()
        return left

    async def _receive(self, deadline: Deadline) -> int:
        """Bytes that have come into the session's buffer since they were last asked for, 0 at the end of the stream."""
        deadline.remaining()
        if self._raw is not None:
            self._leave_raw()
        while not self._fresh:
            if self._cause is not None:
                raise self._lost()
            if self._ended:
                return 0
            self._resume_reading()
            await self._wait(deadline)
        return self._take_fresh()

    async def _receive_patiently(self, patience: float, deadline: Deadline) -> int:
        """As `_receive`, -1 where nothing has come in so many seconds."""
        left = deadline.remaining()
        try:
            return await self._receive(Deadline(patience if left is None else min(patience, left)))
        except TimeoutError:
            deadline.remaining()
            return -1

    def _take_fresh(self) -> int:
        size, self._fresh = self._fresh, 0
        if self._reading_paused:
            self._resume_reading()
        return size

    def _leave_raw(self) -> None:
        """Go on with the session's own buffer, which gets what was put aside."""
        raw, self._raw = self._raw, None
        if raw:
            self._put(raw)

    async def _receive_raw(self, deadline: Deadline) -> bytes:
        while not self._raw:
            if self.session.dead is not None:
                raise self._lost()
            if self._ended:
                return b""
            self._resume_reading()
            await self._wait(deadline)
        raw, self._raw = bytes(self._raw), bytearray()
        return raw

    async def _send(self, blocks: list[Block], listen: bool, deadline: Deadline) -> list[Block]:
        """The blocks left over: none, or those the transport has no room for while bytes have come."""
        self.unsent = blocks
        deadline.remaining()
        while blocks:
            if self._ended or self._transport is None:
                raise self._lost()
            if not self._writing_paused:
                self._write(self._transport, blocks.pop(0))
            elif self._fresh:
                self._take_fresh()
                return blocks
            else:
                await self._wait(deadline)
        if listen:
            # The transport may take everything at once for ever; others must have their turn, and the peer be heard.
            await asyncio.sleep(0)
            self._take_fresh()
        return blocks

    def _write(self, transport: asyncio.Transport, block: Block) -> None:
        try:
            transport.write(block if self._layer is None else self._layer.outgoing(block))
        except ProtocolError as exc:  # the layer is no longer of use
            raise self.session.die(exc) from exc.__cause__

    def _wrap(self, layer: Layer) -> None:
        self._layer = layer if self._layer is None else Stacked(self._layer, layer)
        self._scratch = memoryview(bytearray(RAW_BYTES))
        if self._raw:
            self._raw = bytearray(self._opened(layer, bytes(self._raw)))

    async def _pull(self, source: Any, deadline: Deadline) -> Any:
        """The next item of the source, None at its end."""
        if not hasattr(source, "__anext__"):
            item = next(source, None)
            deadline.remaining()
            return item
        left = deadline.remaining()
        try:
            if left is None:
                return await source.__anext__()
            return await within(source.__anext__(), left)
        except StopAsyncIteration:
            return None
        except asyncio.TimeoutError as exc:
            if deadline.expired:
                raise deadline.passed() from exc
            raise  # the source's own

    @staticmethod
    async def _consult(function: Callable[[], Any], deadline: Deadline) -> Any:
        """What the function gives, which runs in a thread. Raises what it raises, TimeoutError."""
        return await _value_of(lambda: asyncio.wrap_future(sockets.in_thread(function)), deadline)

    async def _upgrade(self, settings: tls.Settings, deadline: Deadline) -> bytes | None:
        """The server's certificate in DER."""
        left = deadline.remaining()
        if self._transport is None:
            raise self._lost()
        if self._raw:
            raise OperationalError(
                "the server sent unencrypted bytes after its consent to TLS; the connection was closed"
            )
        self._reading_paused = False
        handshake = self.loop.start_tls(
            self._transport,
            self,
            settings.context,
            server_hostname=settings.hostname,
            ssl_handshake_timeout=_HANDSHAKE_S,
        )
        try:
            transport = await within(handshake, left)
        except asyncio.TimeoutError as exc:
            raise deadline.passed() from exc
        except OSError as exc:  # ssl.SSLError and ConnectionError are
            raise sockets.handshake_failed(exc, self.info.sslmode) from exc
        assert transport is not None
        self._transport = transport
        self._tls = settings
        return settings.finish(transport.get_extra_info("ssl_object"))


async def _value_of(function: Callable[[], Any], deadline: Deadline) -> Any:
    """What a function of the program's gives, awaited where that is wanted."""
    left = deadline.remaining()
    value = function()
    if inspect.isawaitable(value):
        try:
            return await within(value, left)
        except asyncio.TimeoutError as exc:
            if deadline.expired:
                raise deadline.passed() from exc
            raise  # the function's own
    deadline.remaining()
    return value


def _expire(waiter: asyncio.Future[None], deadline: Deadline) -> None:
    if not waiter.done():
        waiter.set_exception(deadline.passed())


# ---------------------------------------------------------------- connecting


async def connected(address: Address, info: ConnInfo, session: Session, deadline: Deadline) -> Link:
    """A link connected to the address, with nothing said yet. Raises OperationalError, TimeoutError among them."""
    loop = asyncio.get_running_loop()
    if address.given:
        sock = sockets.prepared(address.given.pop(), info)
    elif address.source is not None:
        sock = sockets.prepared(await _value_of(address.source, deadline), info)
    else:
        sock = sockets.open_socket(address, info)
    link = Link(session, info, address, loop)
    try:
        if address.sockaddr is not None and address.source is None and not _is_connected(sock):
            left = deadline.remaining()  # first, or what is not awaited any more would be left over
            await within(loop.sock_connect(sock, address.sockaddr), left)
        sockets.check_peer(sock, info)
        if sock.family == getattr(socket, "AF_UNIX", None):
            await loop.create_unix_connection(lambda: link, sock=sock)
        else:
            await loop.create_connection(lambda: link, sock=sock)
    except BaseException as exc:
        link.close()
        sock.close()
        if isinstance(exc, (TimeoutError, asyncio.TimeoutError)) and deadline.expired:
            raise TimeoutError(f"could not connect to {address.name}: {deadline.passed()}") from exc
        if isinstance(exc, OSError):
            raise sockets.connect_failed(address, exc) from exc
        raise
    return link


def _is_connected(sock: socket.socket) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True
