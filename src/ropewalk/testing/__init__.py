"""Shipped with Ropewalk: conformance suites for those who write a store, a blob store, a format or an executor."""
