"""Makes the results anew, and the README's figures from them."""

import subprocess
import sys
from tempfile import TemporaryDirectory

from tests.results import COMMANDS, ROOT, case_study, record, shown_anew, stay

for path, words in COMMANDS.items():
    with TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "stream_engine", *words, "--out", directory]
        said = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    (ROOT / path).write_text(said, encoding="utf-8")
record.tell()
stay.tell()
case_study.tell()
shown_anew()
