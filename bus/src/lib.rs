//! Lanes of batches between threads, and watermarks.
