"""The shape of the code: floors, the codec pair, sizes, and what the workflows call."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest

import pgfast

PACKAGE: Final = Path(pgfast.__path__[0])
ROOT: Final = PACKAGE.parent

#: Floor of each module or package; the longest name that fits counts. Imports lead to the same floor or to a lower one.
FLOORS: Final[dict[str, int]] = {
    "pgfast._version": 0,
    "pgfast.const": 0,
    "pgfast.errors": 0,
    "pgfast.values": 0,
    "pgfast._codec": 1,
    "pgfast._codec_py": 1,
    "pgfast.codec": 1,
    "pgfast.kernels": 1,
    "pgfast.arrow": 2,
    "pgfast.types": 2,
    "pgfast.protocol": 3,
    "pgfast.net": 4,
    "pgfast.rates": 5,
    "pgfast.rows": 5,
    "pgfast.sql": 5,
    "pgfast.conninfo": 7,
    "pgfast.copy": 7,
    "pgfast.pq": 7,
    "pgfast.adapt": 7,
    "pgfast.capabilities": 7,
    "pgfast.connections": 5,
    "pgfast.bulk": 6,
    "pgfast.columns": 6,
    "pgfast.exporting": 6,
    "pgfast.replication": 6,
    "pgfast.frames": 6,
    "pgfast.hooks": 6,
    "pgfast.querytext": 6,
    "pgfast.opentelemetry": 7,
    "pgfast.api": 7,
    "pgfast.pool": 7,
    "pgfast.cli": 7,
    "pgfast.django": 7,
    "pgfast.embedded": 7,
    "pgfast.pandas": 7,
    "pgfast.sqlalchemy": 7,
    "pgfast": 7,
}
#: What each floor must not know (DESIGN: sans-I/O).
FORBIDDEN: Final[dict[str, frozenset[str]]] = {
    "pgfast.protocol": frozenset({"socket", "selectors", "select", "asyncio", "ssl", "time", "threading"}),
    "pgfast.types": frozenset({"socket", "selectors", "select", "asyncio", "ssl", "threading"}),
    "pgfast.codec": frozenset({"socket", "selectors", "select", "asyncio", "ssl", "time", "threading"}),
    "pgfast._codec_py": frozenset({"socket", "selectors", "select", "asyncio", "ssl", "time", "threading"}),
    "pgfast.kernels": frozenset({"socket", "selectors", "select", "asyncio", "ssl", "time", "threading"}),
}
#: Modules that stand on an extra's library. Everybody else imports them inside functions only.
ON_EXTRAS: Final = (
    *("pgfast.frames", "pgfast.cli"),
    *("pgfast.django", "pgfast.opentelemetry", "pgfast.sqlalchemy"),
)
#: Modules beyond their limit (the codec pair and its kernels 900 lines, everything else 600), with the reason.
LONG: Final[dict[str, str]] = {
    "pgfast.errors.sqlstates": "written by a program, one class per SQLSTATE",
    "pgfast._codec": "every kernel that makes or reads Python objects, in one extension module",
}
FUNCTION_LINES: Final = 75


@dataclass(frozen=True, slots=True)
class Import:
    """One import statement's target, absolute, and whether it runs when the module is imported."""

    module: str
    target: str
    line: int
    at_import: bool


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


PYTHON_FILES: Final = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
CYTHON_FILES: Final = sorted([*PACKAGE.rglob("*.pyx"), *PACKAGE.rglob("*.pxd")])


def exists(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or any(path.with_suffix(suffix).exists() for suffix in (".py", ".pyi", ".pyx", ".pxd"))


def targets(node: ast.Import | ast.ImportFrom, module: str, package: str) -> Iterator[str]:
    """Absolute names of the modules that one statement imports."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
    source = ".".join([*base, *(node.module.split(".") if node.module else [])])
    for alias in node.names:
        full = f"{source}.{alias.name}"
        yield full if source.split(".")[0] == "pgfast" and exists(full) else source


def imports(module: str, path: Path) -> list[Import]:
    """Every import of a module, also those inside functions and under TYPE_CHECKING."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inner = {
        id(node)
        for outer in ast.walk(tree)
        if isinstance(outer, (ast.FunctionDef, ast.AsyncFunctionDef))
        or (isinstance(outer, ast.If) and "TYPE_CHECKING" in ast.unparse(outer.test))
        for node in (ast.walk(outer) if not isinstance(outer, ast.If) else (n for s in outer.body for n in ast.walk(s)))
    }
    return [
        Import(module, target, node.lineno, id(node) not in inner)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for target in targets(node, module, package)
    ]


ALL_IMPORTS: Final = [found for module, path in PYTHON_FILES.items() for found in imports(module, path)]


def floor(name: str) -> int | None:
    """The floor of a module; None when the table does not say."""
    while name:
        if name in FLOORS and (name != "pgfast" or name in PYTHON_FILES):
            return FLOORS[name]
        name = name.rpartition(".")[0]
        if name == "pgfast":
            return None
    return None


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


# ---------------------------------------------------------------- floors


def test_the_reader_of_imports_sees_every_form() -> None:
    source = "import a.b\nfrom . import const\nfrom ..errors import Error\ndef f():\n    from pgfast import codec\n"
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, (ast.Import, ast.ImportFrom))]
    found = [list(targets(node, "pgfast.types.text", "pgfast.types")) for node in nodes]
    assert found == [["a.b"], ["pgfast.types"], ["pgfast.errors"], ["pgfast.codec"]]


def test_every_module_has_a_floor() -> None:
    assert [module for module in PYTHON_FILES if floor(module) is None] == []


def test_imports_lead_downwards() -> None:
    upward = [
        f"{found.module}:{found.line}, floor {floor(found.module)}, imports {found.target}, floor {floor(found.target)}"
        for found in ALL_IMPORTS
        if within(found.target, "pgfast") and (floor(found.target) or 0) > (floor(found.module) or 0)
    ]
    assert upward == []


def test_floors_do_not_know_what_is_above_them() -> None:
    known = [
        f"{found.module}:{found.line} imports {found.target}"
        for found in ALL_IMPORTS
        for package, names in FORBIDDEN.items()
        if within(found.module, package) and found.target.split(".")[0] in names
    ]
    assert known == []


def test_only_the_choice_imports_a_codec_module() -> None:
    direct = [
        f"{found.module}:{found.line} imports {found.target}"
        for found in ALL_IMPORTS
        if found.target in ("pgfast._codec", "pgfast._codec_py")
        and found.module not in ("pgfast.codec", "pgfast._codec_py")
    ]
    assert direct == []


def test_the_core_needs_nothing_but_the_standard_library() -> None:
    foreign = [
        f"{found.module}:{found.line} imports {found.target}"
        for found in ALL_IMPORTS
        if found.at_import
        and found.target.split(".")[0] not in {*sys.stdlib_module_names, "pgfast"}
        and not any(within(found.module, extra) for extra in ON_EXTRAS)
    ]
    assert foreign == []


def test_modules_that_need_an_extra_are_imported_when_they_are_used() -> None:
    early = [
        f"{found.module}:{found.line} imports {found.target}"
        for found in ALL_IMPORTS
        for extra in ON_EXTRAS
        if found.at_import and within(found.target, extra) and not within(found.module, extra)
    ]
    assert early == []


# ---------------------------------------------------------------- the codec pair


@pytest.fixture(scope="module")
def pair() -> tuple[ModuleType, ModuleType]:
    """The compiled and the pure module. A pure build has no pair to compare."""
    from .conftest import CODECS

    if CODECS != ["c", "python"]:
        pytest.skip("PGFAST_BUILD=skip: there is one codec")
    return importlib.import_module("pgfast._codec"), importlib.import_module("pgfast._codec_py")


def first_line(thing: object) -> str:
    return (inspect.getdoc(thing) or "").split("\n")[0]


def members(cls: type) -> list[str]:
    """Public names of a class and its constructor, in the order they were written."""
    return [name for name in vars(cls) if not name.startswith("_")]


def signature(thing: object) -> list[tuple[str, object, object]]:
    """(name, kind, default) of each parameter; annotations are the stub's business."""
    parameters = inspect.signature(thing).parameters.values()  # type: ignore[arg-type]
    return [(parameter.name, parameter.kind, parameter.default) for parameter in parameters]


def test_both_codecs_name_the_same_things_in_the_same_order(pair: tuple[ModuleType, ModuleType]) -> None:
    compiled, pure = pair
    assert compiled.__all__ == pure.__all__
    for name in pure.__all__:
        if inspect.isclass(getattr(pure, name)):
            assert sorted(members(getattr(compiled, name))) == sorted(members(getattr(pure, name))), name


def test_both_codecs_define_nothing_public_beyond_their_list(pair: tuple[ModuleType, ModuleType]) -> None:
    for module in pair:
        defined = {
            name
            for name, value in vars(module).items()
            if not name.startswith("_")
            and (inspect.isclass(value) or callable(value))
            and getattr(value, "__module__", None) == module.__name__
        }
        assert defined <= set(module.__all__), module.__name__


def test_both_codecs_take_the_same_parameters(pair: tuple[ModuleType, ModuleType]) -> None:
    compiled, pure = pair
    for name in pure.__all__:
        one, two = getattr(compiled, name), getattr(pure, name)
        if inspect.isfunction(two):
            assert signature(one) == signature(two), name
        elif inspect.isclass(two):
            for member in members(two):
                if inspect.isfunction(vars(two)[member]):
                    assert signature(getattr(one, member)) == signature(getattr(two, member)), f"{name}.{member}"
                else:
                    assert isinstance(vars(two)[member], property), f"{name}.{member}"


def test_both_codecs_are_described_by_the_same_first_lines(pair: tuple[ModuleType, ModuleType]) -> None:
    compiled, pure = pair
    for name in pure.__all__:
        one, two = getattr(compiled, name), getattr(pure, name)
        if inspect.isclass(two):
            for member in members(two):
                assert first_line(getattr(one, member)) == first_line(getattr(two, member)) != "", f"{name}.{member}"
        if inspect.isclass(two) or inspect.isfunction(two):
            assert first_line(one) == first_line(two) != "", name


def stub_body(cls: str | None = None) -> list[ast.stmt]:
    tree = ast.parse((PACKAGE / "_codec.pyi").read_text(encoding="utf-8"))
    if cls is None:
        return tree.body
    return next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == cls)


def defined(body: list[ast.stmt]) -> list[str]:
    return [node.name for node in body if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name[0] != "_"]


def test_the_stub_covers_both_codecs() -> None:
    pure = importlib.import_module("pgfast._codec_py")
    assert sorted([*defined(stub_body()), "IMPLEMENTATION"]) == sorted(pure.__all__)
    for name in pure.__all__:
        if inspect.isclass(getattr(pure, name)):
            assert sorted(defined(stub_body(name))) == sorted(members(getattr(pure, name))), name


#: A value that fits each constructor's parameter: compiled classes show no signature, so they are called by keywords.
FITTING: Final[dict[str, object]] = {
    "binary": False,
    "specs": [],
    "keys": (),
    "block_size": 65536,
    "max_message_size": 65536,
    "batch_rows": 10,
    "batch_bytes": 1000,
    "width": 1,
    "columns": [(0, 2, 1, 0)],
    "marks": (b",", b'"', b""),
    "header": False,
    "utc": False,
    "escape": b"",
    "nulls": [],
    "forms": [],
    "fill": False,
}


def test_both_codecs_constructors_take_what_the_stub_says(pair: tuple[ModuleType, ModuleType]) -> None:
    for name in pair[1].__all__:
        if not inspect.isclass(getattr(pair[1], name)):
            continue
        nodes = [n for n in stub_body(name) if isinstance(n, ast.FunctionDef) and n.name == "__init__"]
        stubbed = [argument.arg for node in nodes for argument in node.args.args[1:]]
        required = stubbed[: len(stubbed) - sum(len(node.args.defaults) for node in nodes)]
        assert [parameter for parameter, _, _ in signature(getattr(pair[1], name))] == stubbed, name
        for module in pair:
            cls = getattr(module, name)
            fitting = {**FITTING, "buffer": module.ReadBuffer()}
            cls(**{parameter: fitting[parameter] for parameter in stubbed})
            cls(*(fitting[parameter] for parameter in required))
            with pytest.raises(TypeError):
                cls(**{parameter: fitting[parameter] for parameter in stubbed}, no_such_parameter=1)


def cython_constants() -> Iterator[tuple[str, str, int]]:
    """(file, name, value) of each enum member in the kernels that is written in capitals."""
    for path in CYTHON_FILES:
        for name, value in re.findall(
            r"^\s+([A-Z][A-Z0-9_]+) = (0x[0-9A-Fa-f]+|\d+)\b", path.read_text("utf-8"), re.MULTILINE
        ):
            yield path.name, name, int(value, 0)


def test_numbers_in_the_kernels_are_those_of_the_package() -> None:
    const, faults = importlib.import_module("pgfast.const"), importlib.import_module("pgfast.errors.faults")
    twins = 0
    for file, name, value in cython_constants():
        for module in (const, faults):
            if hasattr(module, name):
                assert getattr(module, name) == value, f"{file}: {name}"
                twins += 1
    assert twins > 20


# ---------------------------------------------------------------- the text


def statement_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its signature and docstring."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_modules_and_functions_are_of_a_size_to_be_read() -> None:
    for module, path in [*PYTHON_FILES.items(), *((module_name(path), path) for path in CYTHON_FILES)]:
        limit = 900 if module.startswith(("pgfast._codec", "pgfast.kernels")) else 600
        lines = path.read_text(encoding="utf-8").count("\n")
        assert lines <= limit or module in LONG, f"{path.name} has {lines} lines"
    for module, path in PYTHON_FILES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                assert statement_lines(node) <= FUNCTION_LINES, f"{module}.{node.name}: {statement_lines(node)} lines"


def test_every_module_says_what_it_is_and_defers_annotations() -> None:
    for module, path in PYTHON_FILES.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert ast.get_docstring(tree), module
        if any(isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)) for node in tree.body):
            assert any(isinstance(n, ast.ImportFrom) and n.module == "__future__" for n in tree.body), module


def test_no_module_is_named_after_nothing() -> None:
    empty = {"util", "utils", "helper", "helpers", "manager", "common", "misc"}
    assert [module for module in PYTHON_FILES if empty & set(module.split("."))] == []


def test_nothing_is_left_to_be_done() -> None:
    marks = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")
    left = [
        f"{path.name}:{number}"
        for path in [*PYTHON_FILES.values(), *CYTHON_FILES]
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if marks.search(line)
    ]
    assert left == []


def test_package_is_marked_as_typed() -> None:
    assert (PACKAGE / "py.typed").exists()


# ---------------------------------------------------------------- the workflows

MAKEFILE: Final = ROOT / "Makefile"


@pytest.mark.skipif(not MAKEFILE.exists(), reason="an installed package has no Makefile")
def test_workflows_call_make_targets_that_exist() -> None:
    makefile = MAKEFILE.read_text(encoding="utf-8")
    existing = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    called = {
        target
        for path in [*(ROOT / ".github" / "workflows").glob("*.yml"), ROOT / ".ci" / "run"]
        for words in re.findall(r"\bmake ((?:[a-z]+ ?)+)", path.read_text(encoding="utf-8"))
        for target in words.split()
    }
    assert {"lint", "test", "demo", "wheel"} <= called <= existing
