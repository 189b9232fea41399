"""The cases that the conformance tests run over: names and factories without arguments.

``CASES`` of a room builds every final class that the room exports, which a convention test
compares; rooms of several families are packages or have a dictionary for each. `structures` has
maps that have a structure and maps that nearly do.
"""
