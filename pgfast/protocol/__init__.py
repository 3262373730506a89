"""The frontend/backend protocol without any I/O: messages, a session's state, and the operations over it.

Law of this floor: no `socket`, `asyncio`, `ssl`, `time` or threads. Bytes come in through a ReadBuffer and go out
through a WriteBuffer; whoever owns the socket drives the operations (`net.sync`, `net.aio`).
"""
