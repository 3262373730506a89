"""Runs the harnesses: `python -m fuzz --seconds 60` all of them, one after the other, `python -m fuzz NAME` one.

What stands behind a NAME goes to libFuzzer as it is (`-max_total_time=60`, or a file to run once). The codec is the one
of build/fuzz, which has the sanitizers in it (`make fuzz` builds it); a process that fuzzes must be started with their
runtime, so this program starts itself again with it. A finding is left in build/fuzz/findings.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Final

from . import HARNESSES

ROOT: Final = Path(__file__).resolve().parent.parent
BUILD: Final = ROOT / "build" / "fuzz"
SEEDS: Final = ROOT / "fuzz" / "seeds"
_CODEC: Final = "pgfast._codec"
#: Memory in MB, and seconds for a single input.
_LIMITS: Final = ("-rss_limit_mb=2048", "-malloc_limit_mb=1024", "-timeout=60", "-len_control=0")
#: Bytes of the longest input: a conversation is longer than a table.
_LONGEST: Final = {"sessions": 8192, "frames": 4096}
_LONGEST_OTHERS: Final = 1024
#: CPython frees nothing at its end, so leaks cannot be told; a failed allocation is a MemoryError, not an abort.
_SANITIZERS: Final = {
    "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:malloc_context_size=3:quarantine_size_mb=32",
    "UBSAN_OPTIONS": "print_stacktrace=1",
}


#: Harnesses of code that is Python above all, which is thrice as quick where small objects have Python's own memory. In
#: the others each object has the sanitizer's.
_PYTHON: Final = ("parsers", "sessions")


class SanitizedCodec:
    """Finds the compiled codec where it was built for fuzzing, and leaves everything else to others."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of the codec, None for any other module."""
        if name != _CODEC:
            return None
        found = sorted((BUILD / "pgfast").glob("_codec.*.so"))
        if len(found) != 1:
            raise ImportError(f"{BUILD} holds {len(found)} codecs; `make fuzz` builds the one there should be")
        return importlib.util.spec_from_file_location(name, found[0])


def runtime() -> Path:
    """The library with the runtime of libFuzzer and the sanitizers, which atheris brings along."""
    found = importlib.util.find_spec("asan_with_fuzzer")
    if found is None or found.origin is None:
        raise SystemExit("python -m fuzz: atheris is missing, which `make fuzz` installs: pip install 'pgfast[fuzz]'")
    return Path(found.origin)


def environment(name: str) -> dict[str, str]:
    """The environment of a process that fuzzes with this harness."""
    memory = "pymalloc" if name in _PYTHON else "malloc"
    return {**os.environ, **_SANITIZERS, "PYTHONMALLOC": memory, "LD_PRELOAD": str(runtime()), "PGFAST_IMPL": "c"}


def fuzz(name: str, arguments: Sequence[str]) -> None:
    """Fuzz with one harness in this process, which libFuzzer ends."""
    import atheris  # only here: the seeds are replayed without it

    sys.meta_path.insert(0, SanitizedCodec())
    with atheris.instrument_imports(include=["pgfast"], enable_loader_override=False):
        harness = importlib.import_module(f"fuzz.{name}")
    both = importlib.import_module("fuzz.both")
    if len(both.MODULES) != 2:
        raise SystemExit("python -m fuzz: there must be two codecs to compare")
    command = [sys.argv[0], *arguments]
    if getattr(harness, "MESSAGES", False):
        mutate = importlib.import_module("fuzz.mutate")
        mutator = mutate.messages(harness.HEAD, atheris.Mutate)
        atheris.Setup(command, harness.run, custom_mutator=mutator)
    else:
        atheris.Setup(command, harness.run)
    atheris.Fuzz()


def start(name: str, arguments: Sequence[str]) -> int:
    """The exit status of a process that fuzzes with one harness."""
    corpus, findings = BUILD / "corpus" / name, BUILD / "findings"
    for directory in (corpus, findings):
        directory.mkdir(parents=True, exist_ok=True)
    places = [str(corpus), str(SEEDS / name)]
    if any(not one.startswith("-") for one in arguments):
        places = []  # files to run once
    longest = f"-max_len={_LONGEST.get(name, _LONGEST_OTHERS)}"
    command = [
        sys.executable,
        "-m",
        "fuzz",
        "--in-process",
        name,
        longest,
        *_LIMITS,
        f"-artifact_prefix={findings}/{name}-",
    ]
    return subprocess.run([*command, *arguments, *places], cwd=ROOT, env=environment(name), check=False).returncode


def main() -> None:
    """The command."""
    if sys.argv[1:2] == ["--in-process"]:
        fuzz(sys.argv[2], sys.argv[3:])
        return
    parser = argparse.ArgumentParser(prog="python -m fuzz", description="Fuzz the codec, the parsers and the session.")
    parser.add_argument("--seconds", type=int, default=60, help="seconds for each harness in the mean (default: 60)")
    parser.add_argument("name", nargs="?", choices=sorted(HARNESSES), help="one harness, and what libFuzzer is told")
    options, others = parser.parse_known_args()
    if options.name is not None:
        sys.exit(start(options.name, others))
    if others:
        parser.error(f"{others[0]}: name a harness")
    failed = []
    share = options.seconds * len(HARNESSES) / sum(HARNESSES.values())
    for name, weight in HARNESSES.items():
        seconds = max(1, round(share * weight))
        print(f"fuzz: {name}, {seconds} s", flush=True)
        began = time.monotonic()
        status = start(name, [f"-max_total_time={seconds}", "-print_final_stats=1", "-verbosity=1"])
        print(f"fuzz: {name} ended after {time.monotonic() - began:.0f} s with status {status}", flush=True)
        if status:
            failed.append(name)
    if failed:
        sys.exit(f"fuzz: findings in {', '.join(failed)}; the inputs lie in {BUILD / 'findings'}")


if __name__ == "__main__":
    main()
