"""A real Asterisk in a folder, with phones and callers played by SIPp.

For the demo and the tests, and for whoever wants to try cordboard without a PBX of his own.
Nothing here is needed to serve a real one.
"""
