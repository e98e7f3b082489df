"""What every part of the package uses: errors, seeds, paths, files written whole, terminal text."""
