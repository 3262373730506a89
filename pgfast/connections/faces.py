"""Methods with many parameters, written once for both connections.

Law of this file: what such a method does stands in its synchronous form. All that waits in it is `_run`, or another
method of the connection it is called on, and it gives back what that gives: on an AsyncConnection something to await.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def awaited(method: Callable[Concatenate[Any, P], T]) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]:
    """The method for an AsyncConnection: the same parameters, documentation and work, awaited."""

    @functools.wraps(method)
    async def waiting(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> T:
        coming: Any = method(self, *args, **kwargs)
        result: T = await coming
        return result

    waiting.__qualname__ = f"Async{method.__qualname__}"  # as the classes are called: LoadMethods, AsyncLoadMethods
    return waiting
