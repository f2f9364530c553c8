"""Addresses that several modules of the console name."""

from __future__ import annotations

HOME = "/console"
LOGIN, CALLBACK, LOGOUT = f"{HOME}/login", f"{HOME}/callback", f"{HOME}/logout"
ENTER, AUDIT = f"{HOME}/enter", f"{HOME}/audit"
SAFE = ("GET", "HEAD")  # methods that change nothing
DISAGREEMENTS = f"{HOME}/disagreements"
DECISIONS, FEEDBACK, DATA = f"{HOME}/decisions", f"{HOME}/feedback", f"{HOME}/data"
