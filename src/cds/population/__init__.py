"""The same decision for many patients: exports in, rows out."""
