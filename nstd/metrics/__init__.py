"""What Prometheus may ask a running daemon: counters from its events, gauges from its ledger.

    event -> Counts -> registry <- Gauges <- ledger, disks, driver
                          |
                       Endpoint <- HTTP

No other module knows of metrics, but for the daemon, which opens the endpoint. It serves from a
thread of its own, which reads the ledger through a connection of its own.
"""
