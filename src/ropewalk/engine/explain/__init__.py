"""Answers to why, what if and where from: plans, reasons, comparisons, lineage, debugging and replays."""
