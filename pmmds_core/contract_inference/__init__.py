"""Infers a contract from a data file, with evidence for each guess, and writes a project folder that has the contract.

Not here: kinds of columns (file_drift/column_kinds.py), comparing contracts (contracts/contract_changes.py).
"""
