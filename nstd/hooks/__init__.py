"""Telling others of a job's events: commands and webhooks.

What is to be told is queued in the ledger, in the transaction of the change itself
(`nstd.spool.announce`). The courier takes it from there, hands it to a thread, and writes down what
came of it; the job's outcome is long decided by then.
"""
