//! Nothing here: `tests/onnx.rs` tests the feature `onnx` of huntbook-factorization.
