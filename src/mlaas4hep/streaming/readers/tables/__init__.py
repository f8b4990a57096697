"""CSV, JSON lines, Parquet, Avro."""
