"""What the package uses of others beyond their public interfaces, one module for each of them.

Nothing here imports the package, and this file imports nothing: the driver imports no torch, and a
worker no PennyLane. tests/compat/ names every private attribute, looks whether the installed
version has it, and refuses any other access outside of this folder. The packages have upper bounds
in pyproject.toml, to be raised where those tests and the suite pass with the next release.
"""
