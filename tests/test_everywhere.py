"""However the two files are started and looked at: Python's safe modes, readers of annotations."""

from __future__ import annotations

import inspect
import os
import shutil
import subprocess
import sys
import tempfile
import typing
import unittest
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpclient
import sse
from tests.server import refused_port

FILES = [Path(module.__file__ or "") for module in (sse, httpclient)]
SPECIAL = {"__init__", "__iter__", "__next__", "__anext__", "__enter__", "__aenter__"}
CLIENT = "import sse; sse.connect('http://127.0.0.1:1/'); print('made')"


def public(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Name and object: each public function and class of a module, each method of such a class."""

    def own(names: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        for name, value in names.items():
            if not name.startswith("_") or name in SPECIAL:
                yield name, value

    for name, value in own(vars(module)):
        if getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(value):
            yield name, value
            for base in value.__mro__:
                if base.__module__ == module.__name__:
                    for method_name, method in own(vars(base)):
                        yield f"{name}.{method_name}", method
        elif inspect.isfunction(value):
            yield name, value


def functions_of(value: Any) -> list[Callable[..., Any]]:
    """What has annotations of its own behind a class's attribute."""
    if isinstance(value, property):
        return [function for function in (value.fget, value.fset) if function]
    if isinstance(value, classmethod | staticmethod):
        return [value.__func__]
    return [value] if inspect.isfunction(value) or inspect.isclass(value) else []


class Annotations(unittest.TestCase):
    """Dependency injection, command-line builders and checkers ask for them at run time."""

    def test_each_can_be_resolved(self) -> None:
        for module in (sse, httpclient):
            found = 0
            for name, value in public(module):
                for function in functions_of(value):
                    found += 1
                    with self.subTest(f"{module.__name__}.{name}"):
                        typing.get_type_hints(function)
            self.assertGreater(found, 20)

    def test_the_options_are_shown_at_run_time(self) -> None:
        """By help(), IPython and whatever else asks for a signature."""
        for client in (sse.connect, sse.async_connect):
            shown = list(inspect.signature(client).parameters)
            self.assertEqual(shown, list(inspect.signature(client.__init__).parameters)[1:])

    def test_each_function_has_some(self) -> None:
        for module in (sse, httpclient):
            for name, value in public(module):
                for function in functions_of(value):
                    if inspect.isfunction(function):
                        with self.subTest(f"{module.__name__}.{name}"):
                            self.assertIn("return", function.__annotations__)


class NoAsyncio(unittest.TestCase):
    """Coroutines that another library runs, such as trio."""

    def test_it_is_said(self) -> None:
        async def transport(*request: Any, **options: Any) -> Any:
            self.fail("was called")

        for options in ({}, {"timeout": None}, {"transport": transport}):
            client = sse.async_connect("http://localhost/", **options)
            with self.subTest(options), self.assertRaisesRegex(RuntimeError, "asyncio.*trio"):
                client.__anext__().send(None)
            self.assertEqual(client.state, "closed")
        for timeout in (30.0, None):
            request = httpclient.async_get("http://localhost/", timeout=timeout)
            with self.subTest(timeout), self.assertRaisesRegex(RuntimeError, "asyncio's"):
                request.send(None)


class SafeModes(unittest.TestCase):
    """`-I`, `-P` and PYTHONSAFEPATH leave the folder of the program out of `sys.path`."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name).resolve()
        for file in FILES:
            shutil.copy(file, self.folder)
        self.client = f"import sys; sys.path.append({str(self.folder)!r}); {CLIENT}"
        # name: (options of Python, environment)
        self.modes: dict[str, tuple[list[str], dict[str, str]]] = {"-I": (["-I"], {})}
        if sys.version_info >= (3, 11):
            self.modes |= {"-P": (["-P"], {}), "PYTHONSAFEPATH": ([], {"PYTHONSAFEPATH": "1"})}

    def python(self, mode: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        options, more = self.modes[mode]
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
        }
        return subprocess.run(
            [sys.executable, *options, *arguments],
            cwd=self.folder, env={**environment, **more}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def test_a_folder_that_the_program_names(self) -> None:
        for mode in self.modes:
            with self.subTest(mode):
                done = self.python(mode, "-c", self.client)
                self.assertEqual((done.stdout, done.stderr), ("made\n", ""))

    def test_the_command_line(self) -> None:
        """The file beside it is used, or it is told why it was not; never that it is not there."""
        url = f"http://127.0.0.1:{refused_port()}/"
        for mode in self.modes:
            with self.subTest(mode):
                done = self.python(mode, "sse.py", "--max-retries", "0", url)
                self.assertEqual(done.returncode, 1)
                if "httpclient" in done.stderr:
                    self.assertIn(str(self.folder), done.stderr)
                    self.assertRegex(done.stderr, "-P|PYTHONSAFEPATH|safe path")
                else:
                    self.assertIn("refused", done.stderr)

    def test_what_is_missing_is_named_and_where_it_was_looked_for(self) -> None:
        (self.folder / "httpclient.py").unlink()
        for mode in self.modes:
            with self.subTest(mode):
                done = self.python(mode, "-c", self.client)
                last = done.stderr.strip().splitlines()[-1]
                self.assertRegex(last, "ImportError: .*httpclient.py")
                self.assertIn(str(self.folder), last)

    def test_a_package_says_its_own_folder(self) -> None:
        package = self.folder / "vendored"
        package.mkdir()
        (package / "__init__.py").touch()
        shutil.move(
            self.folder / "sse.py", package
        )  # httpclient.py stays outside: it may be another's
        done = self.python(
            "-I", "-c", self.client.replace("import sse", "from vendored import sse")
        )
        last = done.stderr.strip().splitlines()[-1]
        self.assertRegex(last, "ImportError: .*httpclient.py")
        self.assertIn(str(package), last)

    def test_a_mistake_inside_the_other_file_is_not_taken_for_its_absence(self) -> None:
        (self.folder / "httpclient.py").write_text("import there_is_no_such_module\n")
        done = self.python("-I", "-c", self.client)
        self.assertIn(
            "No module named 'there_is_no_such_module'", done.stderr.strip().splitlines()[-1]
        )


if __name__ == "__main__":
    unittest.main()
