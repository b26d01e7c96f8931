"""A scenario that is played in a moment: the first minutes of the hedged portfolio."""

from pathlib import Path

from stream_engine import scenario as scenarios

UNTIL = "end = 2025-10-10T21:25:00Z"


def tiny(directory: Path, minutes: int = 7) -> Path:
    """Its file: long enough that liquidations and ADL begin."""
    text = scenarios.text("hedged-portfolio")
    assert UNTIL in text
    file = directory / "tiny.toml"
    file.write_text(text.replace(UNTIL, f"end = 2025-10-10T21:{5 + minutes:02}:00Z"), encoding="utf-8")
    return file
