"""Tests of the two modules: `python3 -m unittest` from the folder above, with nothing installed."""

import sys
import types
import unittest


def _cannot_trace(*_: object) -> None:
    raise unittest.SkipTest("this Python cannot trace memory")


try:
    import tracemalloc  # noqa: F401
except ImportError:  # PyPy: what measures memory is skipped, by name, and everything else runs
    sys.modules["tracemalloc"] = types.ModuleType("tracemalloc")
    sys.modules["tracemalloc"].start = _cannot_trace  # type: ignore[attr-defined]
