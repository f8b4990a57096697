"""What the REST and the gRPC form of the Open Inference Protocol v2 share; nothing here knows a transport."""
