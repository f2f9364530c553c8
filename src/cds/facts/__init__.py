"""Record to facts: one file for each kind of fact, three truths, reasons and sources."""
