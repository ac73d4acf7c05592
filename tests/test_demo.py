"""The demo runs, shows what it is to show, and ends by itself."""

from __future__ import annotations

import re
import subprocess
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

SERVER = """\
asked for /news
hangs up in the middle of event 4
asked for /news, Last-Event-ID: 3
ends the stream
asked for /news, Last-Event-ID: 6
answers 204: there will be no more
"""

CLIENT = """\
connected: 200 OK
  id 1  news: 'doors open'
  id 2  news: 'band on stage'
  id 3  news: 'first song'
lost: <why>; trying again in 0.5 s
connected: 200 OK
  id 4  news: 'second song\\n(with a guest)'
  id 5  news: 'encore'
  id 6  news: 'lights on'
lost: a clean end; trying again in 0.5 s
the end: 204 after event 6
"""


class Demo(unittest.TestCase):
    def test_it_shows_a_reconnect_a_resume_and_an_end(self) -> None:
        hasty = "from tests import demo; demo.PACE = 0.02; demo.main()"
        demo = [sys.executable, "-W", "error", "-c", hasty]
        run = subprocess.run(demo, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=60)
        self.assertEqual((run.stderr, run.returncode), ("", 0))

        said: dict[str, str] = {"server": "", "client": ""}
        for line in run.stdout.splitlines(keepends=True):
            said[line[:8].rstrip()] += line[8:]
        self.assertEqual(said["server"], SERVER)
        self.assertEqual(re.sub("lost: the body .*;", "lost: <why>;", said["client"]), CLIENT)


if __name__ == "__main__":
    unittest.main()
