"""The fault campaign: real runs in processes of their own, one kind of fault each, judged from outside.

`python -m tests.faults.campaign` does all experiments and prints the table; `--quick` does what the test suite does.
"""
