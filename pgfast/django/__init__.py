"""A database backend for Django: `"ENGINE": "pgfast.django"`.

Law of this package: it is Django's own backend for PostgreSQL, whose modules find pgfast where they import psycopg.
What is of another make is overridden in a subclass, in `base`; psycopg need not be installed, and is not touched where
it is.

Importing this module puts pgfast in psycopg's place for Django, which must come before Django does it itself: with
django.contrib.postgres, "pgfast.django" stands before it in INSTALLED_APPS. `docs/django.md` has the settings.
"""

from __future__ import annotations

from .request import copying
from .takeover import take_over

__all__ = ["copying"]

take_over()
