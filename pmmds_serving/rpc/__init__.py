"""The gRPC server, its methods, health and status codes. HTTP is in http/."""
