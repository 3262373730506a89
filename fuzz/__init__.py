"""Coverage-guided fuzzing of the codec, the parsers and the session: `make fuzz`, or `python -m fuzz --help`.

A harness is a module here with a function `run(data)`, which takes any bytes at all and returns. Whatever leaves it is
a finding: an exception that is not one of pgfast's, two codecs that do not agree, a law of the session that does not
hold. The same functions go over the committed seeds (`fuzz/seeds/NAME`) in `tests/test_fuzz_seeds.py`, without a
fuzzer.
"""

from __future__ import annotations

from typing import Final

#: The harnesses by name, and the share of the time that each one gets.
HARNESSES: Final[dict[str, int]] = {
    "frames": 1,
    "rows": 3,
    "columns": 2,
    "values": 3,
    "sources": 2,
    "csvtext": 2,
    "parsers": 2,
    "sessions": 5,
}
