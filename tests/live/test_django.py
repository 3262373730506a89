"""The backend for Django: what Django's own tests do not look at."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import django
import pytest
from django.conf import settings

import pgfast
import pgfast.pool
from pgfast.django import copying
from pgfast.django.reading import _in_zone

NEW_YORK = ZoneInfo("America/New_York")


def database(dsn: str, **options: Any) -> dict[str, Any]:
    with pgfast.connect(dsn) as connection:
        info = connection.info
        place = {"HOST": info.host, "PORT": str(info.port), "USER": info.user, "NAME": info.dbname}
    return {"ENGINE": "pgfast.django", **place, "OPTIONS": options}


@pytest.fixture(scope="module")
def models(dsn: str) -> Iterator[Any]:
    """Models of a database with the settings of Django's default."""
    settings.configure(
        DATABASES={
            "default": database(dsn),
            "bound": database(dsn, server_side_binding=True),
            "copied": database(dsn, bulk_copy=3),
            "pooled": database(dsn, pool={"min_size": 1, "max_size": 2}),
        },
        INSTALLED_APPS=["pgfast.django", "django.contrib.postgres"],
        USE_TZ=True,
        TIME_ZONE="America/New_York",
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    )
    django.setup()
    from django.contrib.postgres.fields import ArrayField, DateRangeField, DateTimeRangeField
    from django.db import connections
    from django.db import models as fields

    class Item(fields.Model):
        name = fields.CharField(max_length=20, unique=True)
        price = fields.DecimalField(max_digits=8, decimal_places=2, null=True)
        made = fields.DateTimeField(null=True)
        day = fields.DateField(null=True)
        lasts = fields.DurationField(null=True)
        key = fields.UUIDField(null=True)
        facts = fields.JSONField(null=True)
        raw = fields.BinaryField(null=True)
        ratio = fields.FloatField(null=True)
        address = fields.GenericIPAddressField(null=True)
        tags = ArrayField(fields.CharField(max_length=10), null=True)
        days = DateRangeField(null=True)
        times = DateTimeRangeField(null=True)

        class Meta:
            app_label = "tests"
            db_table = "the items"

    class Counted(fields.Model):
        n = fields.IntegerField()
        doubled = fields.GeneratedField(
            expression=fields.F("n") * 2, output_field=fields.IntegerField(), db_persist=True
        )

        class Meta:
            app_label = "tests"

    with connections["default"].schema_editor() as editor:
        editor.create_model(Item)
        editor.create_model(Counted)
    yield {"Item": Item, "Counted": Counted, "connections": connections}
    with connections["default"].schema_editor() as editor:
        editor.delete_model(Item)
        editor.delete_model(Counted)
    for one in connections.all():
        one.close()
        one.close_pool()


@pytest.fixture
def item(models: Any) -> Iterator[Any]:
    yield models["Item"]
    models["Item"].objects.all().delete()


FULL: dict[str, Any] = {
    "name": "it's \\ 100%",
    "price": Decimal("12.50"),
    "made": datetime(2024, 2, 29, 12, 30, 15, 1234, tzinfo=timezone.utc),
    "day": date(2024, 2, 29),
    "lasts": timedelta(days=-3, hours=5, microseconds=7),
    "key": UUID(int=5),
    "facts": {"a": [1, None, "x'\\"], "b": {"c": 1.5}},
    "raw": b"\0\xff'\\",
    "ratio": -0.1,
    "address": "2001:db8::1",
    "tags": ["a", 'b"', "c,d", None],
    "days": pgfast.Range(date(2024, 1, 1), date(2024, 2, 1)),
    "times": pgfast.Range(datetime(2024, 1, 1, tzinfo=timezone.utc), None),
}


def kept(one: Any) -> dict[str, Any]:
    found = {name: getattr(one, name) for name in FULL}
    return {**found, "raw": bytes(found["raw"])}


@pytest.mark.parametrize("alias", ["default", "bound", "pooled"])
def test_values_of_every_field_come_back(item: Any, alias: str) -> None:
    made = item.objects.using(alias).create(**FULL)
    found = item.objects.using(alias).get(pk=made.pk)
    assert kept(found) == FULL
    assert found.made.tzinfo is timezone.utc
    for name in ("name", "price", "made", "day", "lasts", "key", "facts", "address", "tags", "days"):
        assert item.objects.using(alias).filter(**{name: FULL[name]}).count() == 1, name


@pytest.mark.parametrize("alias", ["default", "bound"])
def test_integers_are_of_the_width_of_their_field(models: Any, alias: str) -> None:
    from django.db.models import BigIntegerField, IntegerField, SmallIntegerField

    connection = models["connections"][alias]
    with connection.cursor() as cursor:
        for field, name in (
            (SmallIntegerField(), "smallint"),
            (IntegerField(), "integer"),
            (BigIntegerField(), "bigint"),
        ):
            value = field.get_db_prep_value(5, connection)
            cursor.execute("select pg_typeof(%s)::text, 5 = %s", [[value], value])
            assert cursor.fetchone() == (f"{name}[]", True)


def test_what_the_encoder_of_a_field_raises_is_raised_as_it_is(item: Any) -> None:
    with pytest.raises(TypeError, match="UUID is not JSON serializable"):
        item.objects.create(name="x", facts={"id": UUID(int=1)})


def test_all_of_it_works_without_psycopg(dsn: str) -> None:
    run_alone(
        f"""
        import sys
        sys.modules["psycopg"] = sys.modules["psycopg2"] = None
        from django.conf import settings
        settings.configure(
            DATABASES={{"default": {database(dsn)!r}}},
            INSTALLED_APPS=["pgfast.django", "django.contrib.postgres", "django.contrib.contenttypes"],
        )
        import django
        django.setup()
        from django.core.management import call_command
        from django.db import connection
        call_command("check", databases=["default"])
        call_command("migrate", verbosity=0)
        from django.contrib.contenttypes.models import ContentType
        assert ContentType.objects.filter(app_label="contenttypes").count() == 1
        call_command("inspectdb", stdout=open("/dev/null", "w"))
        call_command("migrate", "contenttypes", "zero", verbosity=0)
        connection.close()
        """
    )


def test_it_refuses_to_come_after_djangos_own_backend() -> None:
    run_alone(
        """
        from django.db.backends.postgresql import psycopg_any
        try:
            import pgfast.django
        except ImportError as exc:
            assert "put 'pgfast.django' before 'django.contrib.postgres'" in str(exc), exc
        else:
            raise AssertionError("it was imported")
        """
    )


def test_it_refuses_djangos_own_backend_beside_it(dsn: str) -> None:
    run_alone(
        f"""
        from django.conf import settings
        other = {{**{database(dsn)!r}, "ENGINE": "django.db.backends.postgresql"}}
        settings.configure(DATABASES={{"default": {database(dsn)!r}, "other": other}})
        import django
        django.setup()
        from django.core.exceptions import ImproperlyConfigured
        from django.db import connection
        try:
            connection.cursor()
        except ImproperlyConfigured as exc:
            assert "'other' has the engine django.db.backends.postgresql" in str(exc), exc
        else:
            raise AssertionError("both engines are there")
        """
    )


def test_psycopg_stays_what_it_is(models: Any) -> None:
    import psycopg
    from django.db.backends.postgresql import base

    assert base.Database.__name__ == "pgfast.django.surface"
    assert psycopg.__name__ == "psycopg"
    assert sys.modules["psycopg"] is psycopg


def run_alone(program: str) -> None:
    """Run a program in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


# ---------------------------------------------------------------- instants


def test_instants_of_an_hour_that_comes_twice_stay_apart(item: Any) -> None:
    instants = [datetime(2024, 11, 3, 5, 30, tzinfo=timezone.utc) + timedelta(hours=n) for n in range(3)]
    for number, instant in enumerate(instants):  # 01:30 comes twice in New York on this day
        item.objects.create(name=str(number), made=instant)
    assert list(item.objects.order_by("name").values_list("made", flat=True)) == instants


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2024-01-02 03:04:05+00", timezone.utc, datetime(2024, 1, 2, 3, 4, 5, tzinfo=timezone.utc)),
        ("2024-01-02 03:04:05.5+00", timezone.utc, datetime(2024, 1, 2, 3, 4, 5, 500000, tzinfo=timezone.utc)),
        ("2024-01-02 03:04:05.000001-05", None, datetime(2024, 1, 2, 3, 4, 5, 1)),
        ("2024-11-03 01:30:00-04", NEW_YORK, datetime(2024, 11, 3, 1, 30, tzinfo=NEW_YORK)),
        ("2024-11-03 01:30:00-05", NEW_YORK, datetime(2024, 11, 3, 1, 30, tzinfo=NEW_YORK, fold=1)),
        ("1880-01-01 00:00:00-04:56:02", NEW_YORK, datetime(1880, 1, 1, tzinfo=NEW_YORK)),
    ],
)
def test_an_instant_is_read_in_the_sessions_time(text: str, zone: Any, expected: datetime) -> None:
    found = _in_zone(zone)(text)
    assert (found, found.fold, found.tzinfo) == (expected, expected.fold, expected.tzinfo)


@pytest.mark.parametrize("text", ["infinity", "-infinity", "0044-03-15 12:00:00+00 BC", "20240-01-01 00:00:00+00"])
def test_an_instant_that_python_cannot_hold_is_refused(models: Any, text: str) -> None:
    from django.db import DataError

    with models["connections"]["default"].cursor() as cursor, pytest.raises(DataError):
        cursor.execute("select %s::timestamptz", [text])


# ---------------------------------------------------------------- COPY


def statements(models: Any, alias: str = "default") -> Any:
    from django.test.utils import CaptureQueriesContext

    return CaptureQueriesContext(models["connections"][alias])


def test_a_large_insert_goes_by_copy_where_that_is_asked_for(models: Any, item: Any) -> None:
    full = [item(**{**FULL, "name": str(number)}) for number in range(5)]
    with copying(), statements(models) as seen:
        item.objects.bulk_create(full)
    assert not [one for one in seen if one["sql"].startswith("INSERT")]
    assert [one.pk for one in full] == list(item.objects.order_by("name").values_list("pk", flat=True))
    assert [{**kept(one), "name": FULL["name"]} for one in item.objects.all()] == [FULL] * 5
    assert full[0]._state.adding is False
    item.objects.create(name="after")  # the keys were drawn from the sequence


def test_the_settings_may_ask_for_it_by_the_number_of_rows(models: Any, item: Any) -> None:
    with statements(models, "copied") as seen:
        item.objects.using("copied").bulk_create([item(name=str(number)) for number in range(3)])
        item.objects.using("copied").bulk_create([item(name="x"), item(name="y")])
    assert [one["sql"].split()[0] for one in seen].count("INSERT") == 1
    assert item.objects.count() == 5
    with copying(4), statements(models, "copied") as seen:
        item.objects.using("copied").bulk_create([item(name=f"z{number}") for number in range(3)])
    assert [one["sql"].split()[0] for one in seen].count("INSERT") == 1
    with pytest.raises(ValueError, match="fewest rows"), copying(0):
        pass


def test_keys_that_are_given_are_kept(item: Any) -> None:
    with copying():
        item.objects.bulk_create([item(pk=1000 + number, name=str(number)) for number in range(3)])
    assert list(item.objects.order_by("pk").values_list("pk", "name")) == [(1000, "0"), (1001, "1"), (1002, "2")]


def test_what_copy_cannot_do_is_inserted(models: Any, item: Any) -> None:
    from django.db.models import Value
    from django.db.models.functions import Upper

    item.objects.create(name="there")
    counted = models["Counted"]
    with copying(), statements(models) as seen:
        item.objects.bulk_create([item(name="there"), item(name="new")], ignore_conflicts=True)
        item.objects.bulk_create([item(name=Upper(Value("upper"))), item(name="z")])
        made = counted.objects.bulk_create([counted(n=1), counted(n=2)])
    assert [one["sql"].split()[0] for one in seen].count("INSERT") == 3
    assert [one.doubled for one in made] == [2, 4]
    assert set(item.objects.values_list("name", flat=True)) == {"there", "new", "UPPER", "z"}
    counted.objects.all().delete()


def test_a_copy_that_fails_inserts_nothing(item: Any) -> None:
    from django.db import IntegrityError

    with copying(), pytest.raises(IntegrityError, match="duplicate key"):
        item.objects.bulk_create([item(name="a"), item(name="b"), item(name="a")])
    assert item.objects.count() == 0


# ---------------------------------------------------------------- cursors, transactions


@pytest.mark.parametrize("alias", ["default", "bound"])
def test_an_iterator_reads_by_a_cursor_of_the_server(models: Any, item: Any, alias: str) -> None:
    from django.db import transaction

    item.objects.using(alias).bulk_create([item(name=str(number)) for number in range(25)])
    query = item.objects.using(alias).filter(name__gte="1").order_by("pk")
    expected = list(query.values_list("name", flat=True))
    rows = query.values_list("name", flat=True).iterator(chunk_size=4)
    first = next(rows)
    with models["connections"][alias].cursor() as cursor:
        cursor.execute("select count(*) from pg_cursors where name like '_django_curs_%%'", [])
        assert cursor.fetchone() == (1,)
    assert [first, *rows] == expected
    with transaction.atomic(using=alias):
        assert list(query.values_list("name", flat=True).iterator(chunk_size=4)) == expected


@pytest.mark.parametrize("alias", ["default", "bound"])
def test_a_query_without_parameters_leaves_no_portal(models: Any, alias: str) -> None:
    none: list[int] = []
    with models["connections"][alias].cursor() as cursor:
        for params in (None, none):
            cursor.execute("select name from pg_cursors", params)
            assert cursor.fetchall() == []
        cursor.execute("select '100%'; select 2")
        assert (cursor.fetchall(), cursor.nextset(), cursor.fetchall()) == ([("100%",)], True, [(2,)])


def test_a_query_is_bound_by_the_server_where_the_settings_say_so(models: Any) -> None:
    with models["connections"]["bound"].cursor() as cursor:
        cursor.execute("select %s::int, current_query()", [5])
        assert cursor.fetchone() == (5, "select $1::int, current_query()")
        cursor.executemany("select %s::int", [(1,), (2,)])
        assert list(cursor.cursor.stream("select current_query()")) == [("select current_query()",)]


def test_a_transaction_that_has_failed_ends_without_another_error(models: Any, item: Any) -> None:
    from django.db import DatabaseError, connection

    connection.set_autocommit(False)
    try:
        with connection.cursor() as cursor, pytest.raises(DatabaseError):
            cursor.execute("select 1/0")
        connection.commit()
    finally:
        connection.rollback()
        connection.set_autocommit(True)
    assert item.objects.count() == 0


def test_the_pool_gives_the_same_server_process_again(models: Any) -> None:
    wrapper = models["connections"]["pooled"]
    seen = []
    for _ in range(3):
        with wrapper.cursor() as cursor:
            cursor.execute("select pg_backend_pid()")
            seen.append(cursor.fetchone()[0])
        wrapper.close()
    assert len(set(seen)) == 1
    assert isinstance(wrapper.pool, pgfast.pool.ConnectionPool)
