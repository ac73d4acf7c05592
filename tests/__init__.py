"""The plain tests: standard library only, run with ``python3 -m unittest`` from the top of the repository."""
