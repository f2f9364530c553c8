"""Thirdline: explainable decision support, decided by rule files."""

from importlib.metadata import version

__version__ = version("thirdline")
