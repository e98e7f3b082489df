"""Shared by all packages: errors, seeds, paths, atomic files, terminal text."""
