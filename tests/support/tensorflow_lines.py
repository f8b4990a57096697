"""What TensorFlow writes to standard error while it is imported."""

__all__ = ["LINES"]

LINES = (
    "2026-11-24 17:00:00.1: I tensorflow/core/util/port.cc:153] oneDNN custom operations are on. You may see\n"
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
    "I0000 00:00:1795542008.559063    6016 port.cc:153] oneDNN custom operations are on. You may see slightly\n"
    "I0000 00:00:1795542008.559063 6016 cpu_feature_guard.cc:227] This TensorFlow binary is optimized to use\n"
    "To enable the following instructions: AVX2 AVX512F, rebuild TensorFlow with the appropriate compiler flags.\n"
)
