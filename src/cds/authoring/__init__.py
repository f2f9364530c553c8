"""Tools for rule authors: tests, mutants, impact of a change, reference pages, new files, formatting."""
