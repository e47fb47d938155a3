"""Plain and tagged YAML scalars and what kubectl sends for them; None stands for null."""

from __future__ import annotations

from typing import Final

SCALARS: Final[dict[str, object]] = {
    # booleans, of YAML 1.1
    **dict.fromkeys(("true", "True", "TRUE", "yes", "Yes", "on", "ON", "y", "Y"), True),
    **dict.fromkeys(("false", "no", "NO", "Off", "n", "N"), False),
    **{text: text for text in ("tRUE", "yES", "nope", "o")},
    # null
    **dict.fromkeys(("", "~", "null", "Null", "NULL", "!!null null"), None),
    "nULL": "nULL",
    # integers
    "0": 0,
    "00": 0,
    "-0": 0,
    "+5": 5,
    "500": 500,
    "1_0_0": 100,
    "010": 8,
    "-010": -8,
    "0o10": 8,
    "08": 8,
    "0x1F": 31,
    "0X1f": 31,
    "-0x10": -16,
    "0b101": 5,
    "0o7_7": 63,
    "0x": "0x",
    "0b102": "0b102",
    "0o18": "0o18",
    "0xfg": "0xfg",
    "_1": "_1",
    "012345678901": 12345678901,
    "123456789012": 123456789012,
    "9223372036854775807": 9223372036854775807,
    "9223372036854775808": 9223372036854775808.0,
    "99999999999999999999999": 1e23,
    # fractions, and what only looks like one
    "1.0": 1,
    "1.": 1,
    "-0.0": 0,
    ".5": 0.5,
    "-.5": -0.5,
    "1.50": 1.5,
    "5e2": 500,
    "5E+2": 500,
    "1e-2": 0.01,
    "1e400": "1e400",
    "1.2.3": "1.2.3",
    "NaN": "NaN",
    # base 60 and dates are text
    "1:30": "1:30",
    "190:20:30": "190:20:30",
    "2026-11-22": "2026-11-22",
    "2026-11-22T10:00:00Z": "2026-11-22T10:00:00Z",
    # marks of YAML's own that mean nothing here
    "=": "=",
    "<<": "<<",
    # quoted, and tagged
    '""': "",
    '"5"': "5",
    "'yes'": "yes",
    "!!str 5": "5",
    "!!str": "",
    "!!int '5'": 5,
    "!!float 5": 5,
    "!!bool 'yes'": True,
    "!!binary aGVsbG8=": "hello",
    "!!timestamp 2026-11-22": "2026-11-22",
    "! 5": "5",
    "!foo 5": "5",
    "6h": "6h",
    "10.0.0.1": "10.0.0.1",
}
NO_SCALARS: Final = (
    ".inf",
    "-.INF",
    ".nan",
    "!!null x",
    "!!int x",
    "!!int 5.5",
    "!!bool 1",
    "!!float .inf",
    "!!timestamp x",
    '!!binary "a b"',
    '"\\ud83d"',
    '"\\q"',
    "@a",
    "*a",
)
"""What kubectl reads as no value at all."""
