"""Reproductions: what a paper prints or claims, measured by one command."""

from symgen.experiments.reproduce.ace import reproduce_ace
from symgen.experiments.reproduce.budgets import BUDGETS, Spending
from symgen.experiments.reproduce.entries import entry_of, read_entries
from symgen.experiments.reproduce.items import ITEMS, Item, Line
from symgen.experiments.reproduce.topographic import reproduce_topographic
from symgen.experiments.reproduce.windows import draw_windows

__all__ = [
    "BUDGETS",
    "ITEMS",
    "Item",
    "Line",
    "Spending",
    "draw_windows",
    "entry_of",
    "read_entries",
    "reproduce_ace",
    "reproduce_topographic",
]
