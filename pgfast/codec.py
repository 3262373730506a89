"""The codec this process uses: the compiled one where it is there, else the pure one.

`PGFAST_IMPL=c` or `PGFAST_IMPL=python` forces one; a forced one that is missing is an ImportError. Nothing else in
the package imports `_codec` or `_codec_py` directly.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .kernels.shapes import ColumnBuffers, SinkSpec, SourceColumn, Spec

if TYPE_CHECKING:
    from ._codec import (
        IMPLEMENTATION,
        ColumnSink,
        CopyState,
        CsvState,
        Plan,
        ReadBuffer,
        Replies,
        WriteBuffer,
        decode_columns,
        decode_copy_columns,
        decode_copy_data,
        decode_copy_rows,
        decode_copy_text,
        decode_rows,
        encode_binds,
        encode_copy_columns,
        encode_copy_csv,
        encode_copy_rows,
        encode_copy_text,
        survey_csv,
    )
else:
    _wanted = os.environ.get("PGFAST_IMPL", "")
    if _wanted not in ("", "c", "python"):
        raise ImportError(f"PGFAST_IMPL={_wanted!r} is not one of 'c' and 'python'")
    if _wanted == "python":
        from ._codec_py import *  # noqa: F403
    else:
        try:
            from ._codec import *  # noqa: F403
        except ImportError as _exc:
            if _wanted == "c":
                raise ImportError("PGFAST_IMPL=c, but the compiled codec pgfast._codec is not there") from _exc
            from ._codec_py import *  # noqa: F403

__all__ = [
    "IMPLEMENTATION",
    "ColumnBuffers",
    "ColumnSink",
    "CopyState",
    "CsvState",
    "Plan",
    "ReadBuffer",
    "Replies",
    "SinkSpec",
    "SourceColumn",
    "Spec",
    "WriteBuffer",
    "decode_columns",
    "decode_copy_columns",
    "decode_copy_data",
    "decode_copy_rows",
    "decode_copy_text",
    "decode_rows",
    "encode_binds",
    "encode_copy_columns",
    "encode_copy_csv",
    "encode_copy_rows",
    "encode_copy_text",
    "survey_csv",
]
