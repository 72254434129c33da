"""`python -m cordboard`: the same as the console script."""

from cordboard.cli import main

main()
