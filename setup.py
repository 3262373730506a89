"""Builds the compiled codec where that can be done.

`PGFAST_BUILD=require` makes a failure to compile an error, `PGFAST_BUILD=skip` makes a pure package (a py3-none-any
wheel). Unset: the compiler is tried, and when there is none or it fails, a warning is printed and the package installs
pure.
"""

import os
import sys
import sysconfig
import tempfile

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

MODE = os.environ.get("PGFAST_BUILD", "")
DIRECTIVES = {"language_level": 3, "freethreading_compatible": True}


def warn(reason):
    """Tells why the package is going to be pure."""
    text = f"pgfast: {reason}; installing without the compiled codec (PGFAST_BUILD=require makes this an error)"
    print(f"WARNING: {text}", file=sys.stderr)


def compiler_works():
    """Whether a C file that includes Python.h can be compiled; otherwise the reason has been told.

    It is tried before anything is built, because a package that has an extension on its list gets a wheel with the
    platform's tag, and pip would keep that wheel, empty of it, after a compiler is there.
    """
    from distutils.ccompiler import new_compiler
    from distutils.sysconfig import customize_compiler

    with tempfile.TemporaryDirectory() as directory:
        probe = os.path.join(directory, "probe.c")
        with open(probe, "w") as file:
            file.write("#include <Python.h>\nint pgfast_probe(void) { return 0; }\n")
        try:
            compiler = new_compiler()
            customize_compiler(compiler)
            compiler.compile([probe], output_dir=directory, include_dirs=[sysconfig.get_path("include")])
        except Exception as exc:  # whatever a compiler that is missing or broken raises
            warn(f"there is no C compiler that can build for this Python ({type(exc).__name__}: {exc})")
            return False
    return True


def extensions():
    """The extension module, translated to C; nothing where that is not wanted or cannot be done."""
    if MODE == "skip" or (MODE != "require" and not compiler_works()):
        return []
    arguments = [] if sys.platform == "win32" else ["-O3"]
    codec = Extension("pgfast._codec", ["pgfast/_codec.pyx"], extra_compile_args=arguments)
    try:
        from Cython.Build import cythonize

        translated = cythonize([codec], build_dir="build/cython", compiler_directives=DIRECTIVES)
    except Exception as exc:  # ImportError, CompileError: whatever stops the translation stops the compiled codec only
        if MODE == "require":
            raise
        warn(f"Cython failed with {type(exc).__name__}: {exc}")
        return []
    for extension in translated:  # cythonize makes new ones, which have lost this mark
        extension.optional = MODE != "require"
    return translated


class BuildCodec(build_ext):
    """build_ext that says in pgfast's words what an optional extension's failure means."""

    def build_extension(self, ext):
        """Compiles one extension; setuptools takes the exception for a warning when the extension is optional."""
        try:
            super().build_extension(ext)
        except Exception as exc:
            if MODE != "require":
                warn(f"the C compiler failed with {type(exc).__name__}: {exc}")
            raise


if MODE not in ("", "require", "skip"):
    raise SystemExit(f"PGFAST_BUILD={MODE!r} is not one of 'require' and 'skip'")

setup(ext_modules=extensions(), cmdclass={"build_ext": BuildCodec})
