"""Thirdline: explainable decision support for treatment-resistant depression."""

from importlib.metadata import version

__version__ = version("thirdline")
