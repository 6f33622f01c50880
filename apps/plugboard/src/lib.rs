//! The relay: where telephones dial in and clients come to them.

#[cfg(test)]
mod scratch;
pub mod secret;
pub mod token;
