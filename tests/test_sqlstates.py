"""One exception class per SQLSTATE: as the server names them, below the right class of PEP 249."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest

from pgfast import errors
from pgfast.embedded import find_installation
from pgfast.errors import sqlstates

GENERATOR: Final = Path(__file__).resolve().parent.parent / "tools" / "generate_sqlstates.py"


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_sqlstates", GENERATOR)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def errcodes() -> Path:
    """The list that the server of the tests was built from."""
    return next(path for tree in find_installation().trees for path in tree.rglob("errcodes.txt"))


def test_classes_have_the_names_and_parents_that_the_servers_list_gives_them(generator: ModuleType) -> None:
    names, _ = generator.read([errcodes()])
    expected = generator.class_names(names)
    shared = {code for code in expected if code in sqlstates._CLASSES}
    # A newer server may know a code or two more than the classes.
    assert len(shared) > 250
    for code in shared:
        cls = sqlstates.lookup(code)
        parent = generator.PARENTS.get(code[:2], "DatabaseError")
        assert (cls.__name__, cls.sqlstate, cls.__bases__) == (expected[code], code, (getattr(errors, parent),))


def test_the_generator_refuses_a_third_use_of_a_name(generator: ModuleType) -> None:
    assert generator.class_names({"22004": "twice", "39004": "twice"}) == {"22004": "Twice", "39004": "TwiceExt"}
    with pytest.raises(SystemExit, match="39005: the name TwiceExt is taken by 39004"):
        generator.class_names({"22004": "twice", "39004": "twice", "39005": "twice"})


def test_the_generator_writes_a_module_that_works(generator: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "errcodes.txt"
    path.write_text(
        "Section: Class 00 - Success\n00000 S ERRCODE_OK ok\n"
        "Section: Class 23 - Integrity Constraint Violation\n"
        "23505    E    ERRCODE_UNIQUE_VIOLATION    unique_violation\n"
        "23999    E    ERRCODE_NAMELESS\n# comment\n"
    )
    text = generator.module(*generator.read([path]))
    namespace: dict[str, object] = {"__name__": "pgfast.errors.made", "__package__": "pgfast.errors"}
    exec(compile(text, "made.py", "exec"), namespace)
    lookup = namespace["lookup"]
    assert callable(lookup)
    assert issubclass(lookup("23505"), errors.IntegrityError)
    assert {"UniqueViolation", "Nameless"} <= namespace.keys()
    assert "Ok" not in namespace


@pytest.mark.parametrize(
    ("sqlstate", "expected"),
    [
        ("23505", errors.UniqueViolation),
        ("42P01", errors.UndefinedTable),
        ("22P02", errors.InvalidTextRepresentation),
        ("57014", errors.QueryCanceled),
        ("28P01", errors.InvalidPassword),
        ("XX000", errors.InternalError_),
        ("25P04", errors.TransactionTimeout),
        ("72000", errors.SnapshotTooOld),
        ("23ZZZ", errors.IntegrityError),
        ("08999", errors.OperationalError),
        ("ZZ999", errors.DatabaseError),
        ("", errors.DatabaseError),
        (None, errors.DatabaseError),
    ],
)
def test_lookup_falls_back_to_the_class_of_the_first_two_characters(
    sqlstate: str | None, expected: type[errors.Error]
) -> None:
    assert sqlstates.lookup(sqlstate) is expected


def test_every_class_is_reexported() -> None:
    for cls in sqlstates._CLASSES.values():
        assert getattr(errors, cls.__name__) is cls
        assert cls.__name__ in errors.__all__
