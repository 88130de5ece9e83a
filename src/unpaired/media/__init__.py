"""Files to arrays and back. Nothing else in the package opens a file of a domain."""
