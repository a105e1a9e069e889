"""The four services' stores. Each sees one transaction, and locks what it finds if that transaction may write."""
