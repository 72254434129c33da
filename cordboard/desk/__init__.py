"""The desk: what it is told, what it knows, and all rules by which it decides. Pure."""
