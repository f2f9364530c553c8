"""The `cds` command: a file for each verb."""
