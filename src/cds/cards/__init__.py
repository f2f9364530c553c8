"""Conclusions to cards: templates, suggestions, order and topics."""
