"""Customers, their numbers, and the history of every contact. Knows nothing of the PBX."""
