//! What only a container runtime knows.
