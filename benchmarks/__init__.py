"""Measurements of the whole system over real processes on loopback."""
