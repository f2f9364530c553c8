"""Editors that speak the Language Server Protocol: mistakes as one types, completion, hover, definitions, rename."""
