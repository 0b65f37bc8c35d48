"""HTTP endpoints, the protocol of predictions, connection limits, pages and OpenAPI. gRPC is in rpc/."""
