"""Exit codes of `qkd-study`."""

DONE = 0
#: Anything else.
ERROR = 1
BAD_INPUT = 2
#: Interrupted or not complete: the same command continues.
INCOMPLETE = 3
