//! Measures and checks of whole programs; this library is what the gate's targets in the crates' `benches/` are built with.
