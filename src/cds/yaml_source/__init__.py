"""Files that people write, as values with file, line and column."""
