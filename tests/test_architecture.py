"""Architecture: who may import whom, and what the core must not know. Held over every file, by its syntax tree."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("stream_engine", "producers", "consumers")
FILES = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))

MESSAGES = "stream_engine.messages"
CORE = "stream_engine.core"
TRANSPORT = "stream_engine.transport"
JOURNAL = "stream_engine.journal"
SHELL = (MESSAGES, CORE, TRANSPORT + ".protocol", JOURNAL)

# Of ours, what the files under a prefix may import. The longest prefix that fits a module is its rule.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    MESSAGES: (MESSAGES,),
    CORE: (MESSAGES, CORE),
    TRANSPORT: (MESSAGES, TRANSPORT),
    "stream_engine.journal": (MESSAGES,),
    "stream_engine.venues": (MESSAGES, CORE, TRANSPORT + ".protocol", JOURNAL),
    "stream_engine.snapshots": (MESSAGES, TRANSPORT + ".protocol", JOURNAL),
    "stream_engine.standby": (*SHELL, "stream_engine.snapshots", "stream_engine.venues"),
    "stream_engine.engine": (*SHELL, "stream_engine.snapshots", "stream_engine.venues", "stream_engine.standby"),
    "stream_engine.host": (
        MESSAGES,
        TRANSPORT + ".protocol",
        JOURNAL,
        "stream_engine.snapshots",
        "stream_engine.standby",
        "stream_engine.engine",
    ),
    "stream_engine.layers": (),
    "stream_engine.own_positions": (MESSAGES, "stream_engine.layers"),
    "stream_engine.scenario": (
        MESSAGES,
        "producers",
        "stream_engine.drive",
        "stream_engine.layers",
        "stream_engine.own_positions",
    ),
    "stream_engine.drive": (
        MESSAGES,
        TRANSPORT + ".protocol",
        "producers.agent",
        "producers.runner",
        "consumers.monitor",
        "consumers.runner",
    ),
    "stream_engine.whatif": (
        MESSAGES,
        TRANSPORT,
        "stream_engine.engine",
        "stream_engine.scenario",
        "stream_engine.layers",
        "stream_engine.drive",
        "stream_engine.whatif",
        "producers",
        "consumers",
    ),
    "stream_engine.cli": PACKAGES,
    "stream_engine.__main__": ("stream_engine.cli",),
    "producers": (MESSAGES, TRANSPORT + ".protocol", "producers"),
    "consumers": (MESSAGES, TRANSPORT + ".protocol", "consumers"),
    "stream_engine": (),
}

# Of others, what the vocabulary and the core may import: nothing here reads a clock, a file, a socket or chance.
MESSAGES_FROM_OUTSIDE = {"__future__", "collections", "decimal", "enum", "typing", "msgspec"}
CORE_FROM_OUTSIDE = {
    "__future__",
    "bisect",
    "collections",
    "enum",
    "functools",
    "hashlib",
    "heapq",
    "itertools",
    "typing",
    "msgspec",
    "sortedcontainers",
}


def module_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(source: str) -> Iterator[str]:
    """Every module that a source text imports, wherever the import stands; `from a import b` counts as a.b.
    A relative import keeps its dots."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield from (f"{base}.{alias.name}" for alias in node.names)


def lies_in(module: str, prefixes: tuple[str, ...]) -> bool:
    return any(module == prefix or module.startswith(prefix + ".") for prefix in prefixes)


def forbidden_imports(source: str, module: str) -> list[str]:
    """What a module imports of ours and may not; a relative import is never allowed."""
    rule = max((prefix for prefix in MAY_IMPORT if lies_in(module, (prefix,))), key=len)
    ours = (name for name in imports_of(source) if lies_in(name, PACKAGES) or name.startswith("."))
    return [name for name in ours if not lies_in(name, MAY_IMPORT[rule])]


def floats_in(source: str) -> list[str]:
    """Where a source text makes a float: true division, a literal, or a call of float or round."""
    found = []
    for node in ast.walk(ast.parse(source)):
        made = (
            (isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div))
            or (isinstance(node, ast.Constant) and isinstance(node.value, float | complex))
            or (isinstance(node, ast.Name) and node.id in ("float", "complex", "round"))
        )
        if made:
            found.append(f"line {getattr(node, 'lineno', 0)}: {ast.unparse(node)}")
    return found


@pytest.mark.parametrize("file", FILES, ids=module_of)
def test_a_module_imports_only_what_its_layer_may_know(file: Path) -> None:
    assert forbidden_imports(file.read_text(encoding="utf-8"), module_of(file)) == []


def test_nobody_imports_the_command_line() -> None:
    readers = [
        module_of(file)
        for file in FILES
        if any(lies_in(name, ("stream_engine.cli",)) for name in imports_of(file.read_text(encoding="utf-8")))
    ]
    assert [name for name in readers if not lies_in(name, ("stream_engine.cli", "stream_engine.__main__"))] == []


@pytest.mark.parametrize("file", sorted((ROOT / "tests" / "naive").rglob("*.py")), ids=lambda file: file.stem)
def test_the_naive_exchange_knows_the_vocabulary_and_nothing_else_of_ours(file: Path) -> None:
    ours = (name for name in imports_of(file.read_text(encoding="utf-8")) if lies_in(name, (*PACKAGES, "tests")))
    assert [name for name in ours if not lies_in(name, (MESSAGES, "tests.naive"))] == []


def test_only_the_kafka_transport_names_aiokafka() -> None:
    readers = {
        module_of(file)
        for file in FILES
        if any(lies_in(name, ("aiokafka",)) for name in imports_of(file.read_text(encoding="utf-8")))
    }
    assert readers <= {"stream_engine.transport.kafka"}


@pytest.mark.parametrize(("package", "allowed"), [(MESSAGES, MESSAGES_FROM_OUTSIDE), (CORE, CORE_FROM_OUTSIDE)])
def test_the_vocabulary_and_the_core_import_nothing_that_knows_a_clock_a_file_or_chance(
    package: str, allowed: set[str]
) -> None:
    outside = {
        (module_of(file), name)
        for file in FILES
        if lies_in(module_of(file), (package,))
        for name in imports_of(file.read_text(encoding="utf-8"))
        if not lies_in(name, PACKAGES) and name.partition(".")[0] not in allowed
    }
    assert outside == set()


@pytest.mark.parametrize("file", [file for file in FILES if lies_in(module_of(file), (MESSAGES, CORE))], ids=module_of)
def test_the_vocabulary_and_the_core_make_no_float(file: Path) -> None:
    if module_of(file) == f"{MESSAGES}.instrument":  # decimals for people: Decimal divides exactly, and only there
        return
    assert floats_in(file.read_text(encoding="utf-8")) == []


def test_importing_the_whole_core_loads_no_loop_no_chance_and_no_kafka() -> None:
    modules = [module_of(file) for file in FILES if lies_in(module_of(file), (CORE,))]
    program = "import sys\n" + "".join(f"import {name}\n" for name in modules)
    program += "print(*sorted({'asyncio', 'random', 'aiokafka'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


def test_the_rules_see_an_import_wherever_it_stands() -> None:
    hidden = "def later():\n    from stream_engine import core\n    import producers.agent\n"
    assert forbidden_imports(hidden, "consumers.depth") == ["stream_engine.core", "producers.agent"]
    assert forbidden_imports("from ..core import exchange", "stream_engine.transport.memory") == ["..core.exchange"]
    assert forbidden_imports("from stream_engine.messages import codec", "consumers.depth") == []


@pytest.mark.parametrize("source", ["a / b", "a /= 2", "x = 0.5", "float(a)", "round(a)"])
def test_the_rules_see_every_way_to_a_float(source: str) -> None:
    assert floats_in(source) != []
    assert floats_in("a // b") == []
