"""Connections, cursors, transactions and COPY, for threads (`sync`) and for asyncio (`aio`).

Law of this floor: a public method is a line or two over an operation. What both sides share stands in the other
modules, which do no I/O; docstrings stand in `docstrings` and are attached to both sides.
"""
