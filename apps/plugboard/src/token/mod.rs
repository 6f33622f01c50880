//! Tokens: whose keys sign them, what they say, who is still let in.

mod authority;
mod claims;
mod key;
mod mint;
mod provider;
mod revocation;
#[cfg(test)]
mod signers;
#[cfg(test)]
pub(crate) mod vectors;
mod verifier;

pub use authority::TokenAuthority;
pub use key::{BadKey, Key};
pub use mint::{MintError, Order, Right, mint};
pub use revocation::{BadRevocations, REVOCATIONS_MAX, Revocations, Revoked, TooManyRevocations};
pub use verifier::{ClientGrant, Expectations, Verifier};
