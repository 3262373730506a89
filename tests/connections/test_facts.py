"""Facts told without any I/O: the server's version, PEP 249's constructors and type objects."""

from __future__ import annotations

import datetime

import pytest

import pgfast
from pgfast.connections.info import ConnectionInfo
from pgfast.net.conninfo import parse
from pgfast.protocol.session import Session


@pytest.mark.parametrize(
    ("reported", "number"),
    [
        ("18.4", 180004),
        ("10.23 (Debian 10.23-1)", 100023),
        ("9.6.24", 90624),
        ("9.6", 90600),
        ("19beta2", 190000),
        ("17devel", 170000),
        ("", 0),
        ("unknown", 0),
    ],
)
def test_the_servers_version_is_a_number(reported: str, number: int) -> None:
    session = Session()
    session.parameters["server_version"] = reported
    info = ConnectionInfo(parse(host="h", user="u", password="top-secret")[0], session, encryption=None)
    assert info.server_version == number
    assert "top-secret" not in repr(info)
    assert (info.host, info.port, info.user, info.dbname, info.options, info.hostaddr) == (
        "h",
        5432,
        "u",
        "u",
        None,
        None,
    )


def test_a_server_that_reports_no_version_has_none() -> None:
    assert ConnectionInfo(parse(host="h", user="u")[0], Session(), encryption=None).server_version == 0


def test_the_constructors_of_pep_249_make_ordinary_values() -> None:
    assert pgfast.Date(2024, 2, 29) == datetime.date(2024, 2, 29)
    assert pgfast.Time(1, 2, 3) == datetime.time(1, 2, 3)
    assert pgfast.Timestamp(2024, 2, 29, 1, 2, 3) == datetime.datetime(2024, 2, 29, 1, 2, 3)
    stamp = datetime.datetime(2024, 2, 29, 1, 2, 3)
    assert pgfast.DateFromTicks(stamp.timestamp()) == stamp.date()
    assert pgfast.TimeFromTicks(stamp.timestamp()) == stamp.time()
    assert pgfast.TimestampFromTicks(stamp.timestamp()).timestamp() == stamp.timestamp()
    assert pgfast.TimestampFromTicks(0).tzinfo is not None
    assert pgfast.Binary(bytearray(b"x")) == b"x"


def test_a_type_object_equals_the_oids_of_its_sort() -> None:
    assert pgfast.NUMBER == 23
    assert pgfast.NUMBER != 25
    assert pgfast.STRING == 25
    assert pgfast.DATETIME == 1114
    assert pgfast.BINARY == 17
    assert pgfast.ROWID == 26
    assert pgfast.NUMBER != pgfast.STRING
    assert len({pgfast.NUMBER, pgfast.STRING}) == 2
    assert repr(pgfast.NUMBER) == "<pgfast.NUMBER>"
