"""Makes the results anew, and the README's figures from them."""

import subprocess
import sys
from tempfile import TemporaryDirectory

from tests.results import BLOCK, COMMANDS, README, ROOT, printed

for path, words in COMMANDS.items():
    with TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "stream_engine", *words, "--out", directory]
        said = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    (ROOT / path).write_text(said, encoding="utf-8")
text = README.read_text(encoding="utf-8")
README.write_text(BLOCK.sub(lambda found: found[1] + printed(found[2]) + found[4], text), encoding="utf-8")
