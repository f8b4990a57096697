"""What REST and gRPC share of the Open Inference Protocol v2, without a transport."""
