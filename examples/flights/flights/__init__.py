"""The tasks of the flights example, one module per noun."""
