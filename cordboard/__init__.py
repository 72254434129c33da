"""cordboard: the desk between an Asterisk PBX and the people who answer its calls."""

__version__ = "0.1.0"
