"""From settings to bytes on a socket: conninfo, TLS, and the two drivers of the operations, `sync` and `aio`."""
