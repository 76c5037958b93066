"""Experiments: presets by name, run folders, and their evaluation."""
