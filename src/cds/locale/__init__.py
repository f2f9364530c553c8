"""Sentences that the program writes for readers, and their translations."""
