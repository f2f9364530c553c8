"""What was decided and what clinicians did with it, in SQLite or PostgreSQL."""
