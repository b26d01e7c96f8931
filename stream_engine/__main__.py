"""`python -m stream_engine` is `liqstorm`."""

from stream_engine.cli.main import main

main()
