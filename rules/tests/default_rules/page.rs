//! The handbook's page on the rules says of each what the rules say.
