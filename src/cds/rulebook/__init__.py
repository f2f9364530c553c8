"""A folder of rule files to a compiled ruleset: loaded, checked, locked, compared, compiled."""
