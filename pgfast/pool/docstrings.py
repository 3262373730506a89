"""What the public methods of pools promise, said once for both faces (see `connections.docstrings`)."""

from __future__ import annotations

from typing import Final

POOL: Final[dict[str, str]] = {
    "connection": """A context manager that gives a connection, as `getconn` does, and returns it.

The end of the block commits, an exception rolls back; the connection is not closed.
""",
    "getconn": """A connection that works, lent until `putconn`.

`timeout`, in seconds, stands for the pool's own. Raises PoolTimeout where there is none in time, TooManyRequests where
`max_waiting` clients wait already, PoolClosed where the pool is not open. A connection whose server has hung up is
never given: it is replaced, and the next one looked at.
""",
    "putconn": """Return a connection that `getconn` has lent.

An open transaction is rolled back, with a warning in the log; a connection that is closed, or in the middle of
something, is replaced. Raises ValueError for a connection that this pool has not lent.
""",
    "open": """Begin to connect and to take requests; what is open already stays so.

With `wait` it is `wait(timeout)` as well. Raises PoolClosed for a pool that was closed.
""",
    "close": """Close the pool: what is idle now, what is lent when it comes back.

Those who wait get PoolClosed. Workers have `timeout` seconds to end. Closing twice does nothing.
""",
    "wait": """Wait until `min_size` connections have been made. Raises PoolTimeout, after closing the pool.""",
    "check": """Ask the server over each idle connection, and replace those that do not work.""",
    "resize": """Change how many connections there should always be, and how many there may be.

Idle connections beyond `max_size` are closed at once, lent ones when they come back.
""",
    "drain": """Replace every connection: idle ones now, lent ones when they come back.""",
    "__enter__": """The pool, opened; the block's end closes it.""",
    "check_connection": """Ask the server something over a connection. Raises what it fails with.

It is made to be a pool's `check`. The connection must not be in a transaction.
""",
}
