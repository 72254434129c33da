"""What people see: the live stream, the HTTP API, and the pages of operators and supervisors."""
