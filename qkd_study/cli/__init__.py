"""The command line: `main` parses, a module for each command does the work."""
