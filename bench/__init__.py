"""What is fast, and how fast: `python -m bench`. Ratios in one run, beside a real peer."""
