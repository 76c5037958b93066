"""Reproductions: every claim of a paper as a criterion, measured by one command."""

from symgen.experiments.reproduce.ace import reproduce_ace

__all__ = ["reproduce_ace"]
