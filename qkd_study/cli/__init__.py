"""The command line: `parser` has the options; each command has a module; `main` runs it."""
