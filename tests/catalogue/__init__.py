"""One module of cases per room: ``CASES`` maps a name to a factory without arguments.

The conformance tests apply every property of `darboux.testing` to every case. A class
cannot be exported from a room without an entry here: a convention test compares the two.
"""
