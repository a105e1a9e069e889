"""The services' databases: SQLite or PostgreSQL, one for each service."""
