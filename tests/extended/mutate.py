"""Would the plain tests notice if the code broke? Mutation testing, small and deterministic:

    python tests/extended/mutate.py --sample 150 --seed 1    # so many, drawn, but repeatably
    python tests/extended/mutate.py --all                    # every mutant: many hours
    python tests/extended/mutate.py --only sse.py:_interpret # those of one function or class
    python tests/extended/mutate.py --number 17 1204         # these, with the tests that fail

A mutant is the code with one small fault: a comparison turned or its boundary moved, a constant
changed, `and` for `or`, a condition negated, another thing returned, a statement left out,
arguments swapped, a call left out, a quantifier of a pattern changed. Texts of messages, docstrings
and annotations are left as they are. The tests that run its line (known from coverage, once) are
held against it, in a copy of the tree: the quickest first, up to the first that fails. A mutant
that no test fails on has survived: a test is missing, unless it does the same as the original;
those that are known to are in `EQUIVALENT`, with the reason, and are counted apart. One that takes
many times as long as the original has been noticed; these are counted apart, too.

Needs `coverage`, and about a second a mutant that is noticed.
"""

from __future__ import annotations

import argparse
import ast
import collections
import concurrent.futures
import itertools
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

# What is mutated, by file: classes, functions, methods, and patterns beside them. The modules named
# first have the tests that were written for it.
PARTS: dict[str, list[tuple[str, str]]] = {
    "sse.py": [
        ("_HEAD _Stream _interpret _stopped _size _without_end _sliced SSEParser",
         "test_parser"),
        ("_Reconnection _retry_after _date _is_drop _is_final", "test_retries"),
    ],
    "httpclient.py": [
        ("_only _is_field_value _HEAD_END _parse_fields _listed _framing"
         " ResponseParser _Head _UntilClose _Length _Chunked _chunk_size _Decoder", "test_framing"),
        ("Request.redirected Request._location", "test_redirects"),
        ("_Route _proxy _proxy_for _variable _matches _port", "test_proxies"),
    ],
}  # fmt: skip


# Mutants that do the same as the original, by a part of the mutated line, and why. Those that are
# slower only are the short ways, which the general one covers, and what is kept to be found again.
EQUIVALENT = [
    ("text[0] in ':edX'", "a short way is tried where it does not fit"),
    ("not (comments or match[1])", "a short way is not taken"),
    ("line.removeprefix('')) != line", "a short way is not taken"),
    ("(?::.+\\n+)", "a short way is not taken, after a comment without text"),
    (" " * 28 + "pass", "the general form does again what the usual one has done"),
    ("len(chunk) + len(without) == chunk.count", "a short way is not taken"),
    ("max(0, before - 2)", "a byte is searched a second time"),
    ("                        continue", "left is _TRAILERS then, which ends the loop, too"),
    ("b'\\r\\nX'.startswith(line_end)", "a line end has two bytes"),
    ("match[1] or match[2] or 'X'", "an item that is a port alone names no host"),
    ("return 'X', \"\"", "the name of a variable without a value is not told"),
    (".partition('%X')[0].removesuffix", "addresses are compared without their zones"),
    ("method: str = 'GETX'", "any method that is not HEAD or CONNECT"),
    ("len(data) == end - size + 4", "a short way is not taken"),
    ("finished = True", "only declares the attribute, which is set before it is read"),
    ("self._searched = 1  #", "what is searched begins with CR"),
    ("if len(line) >= 4:", "sizes are not kept to be found again"),
    ("if '' in whole or", "line ends are looked for, one by one"),
    ("apart, single = lines[joined:], 1", "the next lines are joined one byte earlier"),
    ("* _LINE >= _SINGLE or", "lines are joined one byte earlier"),
    ("strip('.X')", "the rule is in small letters"),
    ("(suffix != 'X' and", "no host ends with a dot"),
    ("if address else 'X'", "without a proxy no host is spared one"),
]


@dataclass(frozen=True)
class Mutant:
    file: str
    part: str
    home: str
    line: int
    start: int  # bytes of the file
    end: int
    text: str
    what: str

    def applied(self, source: bytes) -> bytes:
        return source[: self.start] + self.text.encode() + source[self.end :]

    def after(self, source: bytes) -> str:
        """The mutated line."""
        mutated, first = self.applied(source), source.rfind(b"\n", 0, self.start) + 1
        end = mutated.find(b"\n", self.start + len(self.text.encode()))
        return mutated[first:end].decode()

    def equivalent(self, source: bytes) -> str:
        """Why it does the same as the original, if that is known."""
        if self.part == "_UntilClose" and self.text == "pass" and self.end - self.start == 16:
            return "only declares the attribute, which is set before it is read"
        if source[self.start : self.end].endswith(b"False") and self.text.endswith("None"):
            return "only its truth is asked"
        after = self.after(source)
        return next((why for part, why in EQUIVALENT if part in after), "")

    def shown(self, source: bytes) -> str:
        """The line before and after."""
        first, after = source.rfind(b"\n", 0, self.start) + 1, self.after(source)
        before = source[first : source.find(b"\n", self.end)].decode()
        place = f"{self.file}:{self.line} {self.part} ({self.what})"
        return f"{place}\n    - {before.strip()}\n    + {after.strip()}"


# Making mutants

TURNED: dict[type[ast.cmpop], list[str]] = {
    ast.Lt: ["<=", ">="], ast.LtE: ["<", ">"], ast.Gt: [">=", "<="], ast.GtE: [">", "<"],
    ast.Eq: ["!="], ast.NotEq: ["=="], ast.Is: ["is not"], ast.IsNot: ["is"],
    ast.In: ["not in"], ast.NotIn: ["in"],
}  # fmt: skip
WRITTEN: dict[type[ast.cmpop], str] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
    ast.Is: "is", ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in",
}  # fmt: skip
OPERATORS: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "+"), ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Pow: ("**", "*"), ast.Mod: ("%", "*"), ast.BitAnd: ("&", "|"), ast.BitOr: ("|", "&"),
}  # fmt: skip
OTHER_NAMES = {
    "min": "max", "max": "min", "any": "all", "all": "any", "find": "rfind", "rfind": "find",
    "startswith": "endswith", "endswith": "startswith", "removeprefix": "removesuffix",
    "removesuffix": "removeprefix", "partition": "rpartition", "lower": "upper", "append": "count",
    "setdefault": "get", "fullmatch": "match",
}  # fmt: skip
LEFT_OUT = "strip lstrip rstrip lower upper removeprefix removesuffix sorted abs".split()


class Maker:
    """Makes the mutants of one file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.source = (ROOT / file).read_bytes()
        self.starts = [0]
        for line in self.source.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))
        self.made: list[Mutant] = []

    def at(self, line: int, column: int) -> int:
        return self.starts[line - 1] + column

    def span(self, node: Any) -> tuple[int, int]:
        return self.at(node.lineno, node.col_offset), self.at(node.end_lineno, node.end_col_offset)

    def text(self, node: Any) -> str:
        start, end = self.span(node)
        return self.source[start:end].decode()

    def put(self, node: Any, text: str, what: str) -> None:
        self.between(*self.span(node), node.lineno, text, what)

    def between(self, start: int, end: int, line: int, text: str, what: str) -> None:
        if self.source[start:end] != text.encode():
            self.made.append(Mutant(self.file, self.part, self.home, line, start, end, text, what))

    def operator(self, left: Any, right: Any, old: str, new: str, what: str) -> None:
        """The operator that stands between two operands."""
        start, end = self.span(left)[1], self.span(right)[0]
        gap = self.source[start:end].decode()
        found = re.search(
            rf"(?<![\w*/]){re.escape(old)}(?![\w*/=])" if old[0] in "*/" else re.escape(old), gap
        )
        assert found, (old, gap)
        line = self.source.count(b"\n", 0, start) + 1
        self.between(start + found.start(), start + found.end(), line, new, what)

    def make(self) -> list[Mutant]:
        wanted = {name: home for names, home in PARTS[self.file] for name in names.split()}
        found = set()
        for node in ast.parse(self.source).body:
            target = node.targets[0] if isinstance(node, ast.Assign) else None
            name = getattr(node, "name", getattr(target, "id", ""))
            if name in wanted:
                found.add(name)
                self.part, self.home = name, wanted[name]
                self.pattern(node.value) if isinstance(node, ast.Assign) else self.visit(node)
            for member in getattr(node, "body", ()) if isinstance(node, ast.ClassDef) else ():
                full = f"{name}.{getattr(member, 'name', '')}"
                if full in wanted:
                    found.add(full)
                    self.part, self.home = full, wanted[full]
                    self.visit(member)
        assert found == set(wanted), set(wanted) - found
        return list(dict.fromkeys(self.made))

    def pattern(self, call: Any) -> None:
        """Each quantifier of a pattern becomes another."""
        literal = call.args[0]
        start, end = self.span(literal)
        text = self.source[start:end].decode()
        for found in re.finditer(r"(?<=[\])\w. ])[*+?](?![*+?])", text):
            other = {"*": "+", "+": "*", "?": ""}[found[0]]
            self.between(
                start + found.start(), start + found.end(), literal.lineno, other, "quantifier"
            )

    def visit(self, node: Any) -> None:
        method = getattr(self, type(node).__name__, None)
        if method is None or method(node) is not False:
            for name, value in ast.iter_fields(node):
                if name in ("annotation", "returns", "decorator_list"):
                    continue
                for child in value if isinstance(value, list) else [value]:
                    if isinstance(child, ast.AST):
                        self.visit(child)

    # What is left as it is

    def Raise(self, node: ast.Raise) -> bool:
        self.put(node, "pass", "statement left out")
        return False

    def JoinedStr(self, node: ast.JoinedStr) -> bool:
        return False  # nearly all are messages; the others are made of what is mutated elsewhere

    def Assign(self, node: ast.Assign) -> bool | None:
        names = [getattr(target, "id", "") for target in node.targets]
        if names[0] in ("why", "hint", "missing", "place", "__slots__"):
            return False
        if "_shown(" in self.text(node.value):  # a text for a message, too
            return False
        self.put(node, "pass", "statement left out")
        return None

    def AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.put(node, "pass", "statement left out")

    def AugAssign(self, node: ast.AugAssign) -> None:
        self.put(node, "pass", "statement left out")
        if type(node.op) in OPERATORS:
            old, new = OPERATORS[type(node.op)]
            self.operator(node.target, node.value, f"{old}=", f"{new}=", "operator")

    def Expr(self, node: ast.Expr) -> bool | None:
        if isinstance(node.value, ast.Constant):
            return False  # a docstring
        self.put(node, "pass", "statement left out")
        return None

    def Delete(self, node: ast.Delete) -> None:
        self.put(node, "pass", "statement left out")

    # What is changed

    def Continue(self, node: ast.Continue) -> None:
        self.put(node, "pass", "statement left out")
        self.put(node, "break", "break for continue")

    def Break(self, node: ast.Break) -> None:
        self.put(node, "pass", "statement left out")
        self.put(node, "continue", "continue for break")

    def Return(self, node: ast.Return) -> None:
        if node.value is not None and not (
            isinstance(node.value, ast.Constant) and node.value.value is None
        ):
            self.put(node.value, "None", "return")

    def condition(self, test: ast.expr) -> None:
        if not isinstance(test, (ast.Compare, ast.Constant)):
            self.put(test, f"not ({self.text(test)})", "negation")

    def If(self, node: ast.If) -> None:
        self.condition(node.test)

    def While(self, node: ast.While) -> None:
        self.condition(node.test)

    def IfExp(self, node: ast.IfExp) -> None:
        self.condition(node.test)

    def UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not):
            self.put(node, f"({self.text(node.operand)})", "negation")
        elif isinstance(node.op, ast.USub):
            self.put(node, self.text(node.operand), "sign")

    def BoolOp(self, node: ast.BoolOp) -> None:
        old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in pairwise(node.values):
            self.operator(left, right, old, new, "and/or")
            if len(node.values) == 2:
                self.put(node, f"({self.text(left)})", "half of a condition")
                self.put(node, f"({self.text(right)})", "half of a condition")

    def Compare(self, node: ast.Compare) -> None:
        left = node.left
        for op, right in zip(node.ops, node.comparators, strict=True):
            for new in TURNED[type(op)]:
                self.operator(left, right, WRITTEN[type(op)], new, "comparison")
            left = right

    def BinOp(self, node: ast.BinOp) -> None:
        if type(node.op) in OPERATORS:
            self.operator(node.left, node.right, *OPERATORS[type(node.op)], "operator")

    def Constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, bool) or value is None:
            if value is not None:
                self.put(node, str(not value), "constant")
        elif isinstance(value, (int, float)):
            self.put(node, str(value + 1), "constant")
            if value:
                self.put(node, str(value - 1), "constant")
        elif isinstance(value, (str, bytes)):
            self.put(
                node, repr(value + "X" if isinstance(value, str) else value + b"X"), "constant"
            )
            if value:
                self.put(node, repr(value[:0]), "constant")

    def Slice(self, node: ast.Slice) -> None:
        for bound in (node.lower, node.upper):
            if bound is not None and not isinstance(bound, ast.Constant):
                self.put(bound, f"({self.text(bound)}) + 1", "boundary")

    def Call(self, node: ast.Call) -> None:
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if len(node.args) > 1 and not any(
            isinstance(argument, ast.Starred) for argument in node.args
        ):
            first, second = node.args[:2]
            swapped = f"{self.text(second)}, {self.text(first)}"
            self.between(
                self.span(first)[0],
                self.span(second)[1],
                first.lineno,
                swapped,
                "arguments swapped",
            )
        if name in OTHER_NAMES:
            end = self.span(node.func)[1]
            start = end - len(name.encode())
            self.between(
                start, end, node.func.end_lineno or 0, OTHER_NAMES[name], "another function"
            )
        if name in LEFT_OUT:
            inner = node.func.value if isinstance(node.func, ast.Attribute) else node.args[0]
            self.put(node, self.text(inner), "call left out")

    def comprehension(self, node: ast.comprehension) -> None:
        for test in node.ifs:
            self.put(test, "True", "condition left out")


def mutants() -> list[Mutant]:
    return [mutant for file in PARTS for mutant in Maker(file).make()]


def parses(mutant: Mutant) -> bool:
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(mutant.applied((ROOT / mutant.file).read_bytes()), mutant.file, "exec")
    except SyntaxError:
        return False
    return True


# Running tests: this part is the child, in the copy of the tree


class Timed(unittest.TextTestResult):
    """Notes how long each test takes, and the first that fails."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.seconds: dict[str, float] = {}

    def startTest(self, test: unittest.TestCase) -> None:
        self._began = time.perf_counter()
        super().startTest(test)

    def stopTest(self, test: unittest.TestCase) -> None:
        self.seconds[test.id()] = time.perf_counter() - self._began
        super().stopTest(test)


def run_tests(wanted: list[str]) -> None:
    """Runs tests in this order, all if none is named, and prints what came of it."""
    sys.path.insert(0, os.getcwd())
    loader = unittest.defaultTestLoader
    tests = (
        loader.loadTestsFromNames(wanted) if wanted else loader.discover("tests", top_level_dir=".")
    )
    with open(os.devnull, "w") as nowhere:
        runner = unittest.TextTestRunner(stream=nowhere, resultclass=Timed, failfast=bool(wanted))
        result: Any = runner.run(tests)
    failed = [test.id() for test, _ in result.failures + result.errors]
    print(json.dumps({"failed": failed, "seconds": result.seconds}))
    sys.stdout.flush()
    os._exit(0)  # whatever a mutant has left behind


def run_child(tree: Path, wanted: list[str], seconds: float) -> dict[str, Any] | None:
    """What came of these tests; `None` if they took longer than so many seconds."""

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (6 * 2**30, 6 * 2**30))
        os.setsid()

    command = [sys.executable, "-W", "error::ResourceWarning", __file__, "--run"]
    child = subprocess.Popen(
        command, cwd=tree, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, preexec_fn=limited,
    )  # fmt: skip
    try:
        out, err = child.communicate(json.dumps(wanted), timeout=seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        child.wait()
        for pipe in (child.stdout, child.stderr):
            if pipe:
                pipe.close()
    lines = out.strip().splitlines()
    try:
        return json.loads(lines[-1])  # type: ignore[no-any-return]
    except (IndexError, ValueError):
        return {"failed": [f"the tests do not run: {err.strip()[-300:]}"], "seconds": {}}


# Which tests run which lines


def copy_of_tree(folder: Path) -> Path:
    """This thread's own, of what the tree was at first."""
    first, tree = folder / "first", folder / f"tree{threading.get_ident()}"
    if not first.exists():
        left_out = shutil.ignore_patterns(".git", "__pycache__", ".*_cache", "extended")
        shutil.copytree(ROOT, first, ignore=left_out)
    if not tree.exists():
        shutil.copytree(first, tree)
    return tree


def modules_of_lines(kept: Path) -> dict[tuple[str, int], set[str]]:
    """By file and line the test modules that run it."""
    import coverage

    if not (kept / "data").exists():
        print("measuring which tests run which lines ...", flush=True)
        program = str(ROOT / "tests/extended/covered.py")
        command = [sys.executable, program, "--plain", "--keep", str(kept)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    data = coverage.CoverageData(str(kept / "data"))
    data.read()
    found: dict[tuple[str, int], set[str]] = collections.defaultdict(set)
    for path in data.measured_files():
        for line, contexts in data.contexts_by_lineno(path).items():
            found[Path(path).name, line] |= {f"tests.{context}" for context in contexts}
    return found


class Judge:
    def __init__(self, folder: Path, kept: Path, most: float) -> None:
        self.folder, self.most = folder, most
        self.sources = {file: (ROOT / file).read_bytes() for file in PARTS}
        tree = copy_of_tree(folder)
        self.lines = modules_of_lines(kept)
        print("running the tests on the original ...", flush=True)
        result = run_child(tree, [], 900)
        assert result is not None, "the tests do not end"
        self.seconds: dict[str, float] = result["seconds"]
        # what fails on the original, too, proves nothing
        self.broken = {name.partition(" ")[0] for name in result["failed"]}
        if self.broken:
            print("fail on the original:", *sorted(self.broken), sep="\n    ", flush=True)

    def tests(self, mutant: Mutant) -> list[str]:
        """Those of the modules that run its lines, what was written for it first."""
        last = mutant.line + self.sources[mutant.file][mutant.start : mutant.end].count(b"\n")
        lines = range(mutant.line, last + 1)
        modules = set().union(*(self.lines.get((mutant.file, line), ()) for line in lines))
        names = {name for name in self.seconds if name.rsplit(".", 2)[0] in modules} - self.broken
        found: list[str] = []
        total = 0.0
        for name in sorted(names, key=lambda name: (self.away(mutant, name), self.seconds[name])):
            total += self.seconds[name]
            if total <= self.most or not self.away(mutant, name):
                found.append(name)
        return found

    def away(self, mutant: Mutant, name: str) -> bool:
        """Is the test from another module than the one that was written for this part?"""
        return f".{mutant.home}." not in name and not name.startswith("tests.test_corners.")

    def __call__(self, mutant: Mutant) -> tuple[str, str]:
        """What became of it, and what says so."""
        names = self.tests(mutant)
        limit = 20 + 6 * sum(self.seconds[name] for name in names)
        tree, original = copy_of_tree(self.folder), self.sources[mutant.file]
        (tree / mutant.file).write_bytes(mutant.applied(original))
        try:
            result = run_child(tree, names, limit)
        finally:
            (tree / mutant.file).write_bytes(original)
        if result is None:
            return "too slow", f"{limit:.0f} s"
        if result["failed"]:
            return "killed", result["failed"][0]
        return "SURVIVED", f"{len(names)} tests"


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--sample", type=int, default=150)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--all", action="store_true")
    options.add_argument("--only", help="file:part, such as sse.py:_interpret")
    options.add_argument("--number", type=int, nargs="+", help="these mutants alone")
    options.add_argument(
        "--most",
        type=float,
        default=sys.maxsize,
        help="seconds of tests for each; the rest is left",
    )
    options.add_argument("--workers", type=int, default=2)
    options.add_argument(
        "--data", type=Path, default=Path(tempfile.gettempdir()) / "which-tests-run-which-lines"
    )
    options.add_argument("--list", action="store_true", help="only print the mutants")
    options.add_argument("--run", action="store_true", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.run:
        return run_tests(json.load(sys.stdin))
    numbered = list(enumerate(mutants()))
    total = len(numbered)
    if given.only:
        numbered = [(n, m) for n, m in numbered if f"{m.file}:{m.part}" == given.only]
    if given.number:
        numbered = [(n, m) for n, m in numbered if n in given.number]
    elif not given.all:
        random.Random(given.seed).shuffle(numbered)
        good = ((n, mutant) for n, mutant in numbered if parses(mutant))
        numbered = sorted(itertools.islice(good, given.sample), key=lambda pair: pair[0])
    sources = {file: (ROOT / file).read_bytes() for file in PARTS}
    print(f"{len(numbered)} mutants of {total}", flush=True)
    if given.list:
        for number, mutant in numbered:
            print(f"#{number} {mutant.shown(sources[mutant.file])}")
        return None
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory() as folder,
        concurrent.futures.ThreadPoolExecutor(given.workers) as workers,
    ):
        judge = Judge(Path(folder), given.data, given.most)
        verdicts = {workers.submit(judge, mutant): (number, mutant) for number, mutant in numbered}
        for done in concurrent.futures.as_completed(verdicts):
            number, mutant = verdicts[done]
            verdict, why = done.result()
            reason = mutant.equivalent(sources[mutant.file])
            if verdict == "SURVIVED" and reason:
                verdict, why = "equivalent", reason
            counts[mutant.home, verdict] += 1
            if verdict in ("SURVIVED", "equivalent") or given.number:
                print(
                    f"#{number} {verdict} ({why}): {mutant.shown(sources[mutant.file])}", flush=True
                )
    print(f"\n{len(numbered)} mutants in {time.monotonic() - began:.0f} s")
    verdicts_known = ("killed", "too slow", "equivalent", "SURVIVED")
    for home in sorted({home for home, _ in counts}):
        row = (f"{verdict} {counts[home, verdict]:4}" for verdict in verdicts_known)
        print(f"    {home.removeprefix('test_'):10}", *row)
    sums: collections.Counter[str] = collections.Counter()
    for (_, verdict), count in counts.items():
        sums[verdict] += count
    noticed, others = sums["killed"] + sums["too slow"], sums["SURVIVED"]
    share = 100 * noticed / max(1, noticed + others)
    print(f"    noticed: {noticed} of {noticed + others} that differ, {share:.1f} %;", end=" ")
    print(f"{100 * noticed / max(1, sums.total()):.1f} % of all")
    return None


if __name__ == "__main__":
    main()
