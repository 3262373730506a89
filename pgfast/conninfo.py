"""Connection strings taken apart and put together. The names are libpq's (docs: Connection Strings)."""

from __future__ import annotations

from .net.conntext import make_text, parse_text
from .net.keywords import check_keyword

__all__ = ["conninfo_to_dict", "make_conninfo"]


def conninfo_to_dict(conninfo: str = "", **kwargs: object) -> dict[str, object]:
    """The settings of a URI or keyword=value string, with those given by keyword in their place; None takes one out.

    Nothing comes from the environment. Raises ProgrammingError, with the position, for what is wrong in the string.
    """
    settings: dict[str, object] = dict(parse_text(conninfo))
    for keyword, value in kwargs.items():
        check_keyword(keyword)
        if value is None:
            settings.pop(keyword, None)
        else:
            settings[keyword] = value
    return settings


def make_conninfo(conninfo: str = "", **kwargs: object) -> str:
    """The keyword=value string of `conninfo_to_dict`. A password in it is in the string as it is."""
    return make_text(conninfo_to_dict(conninfo, **kwargs))
