//! Who acts in the world.

pub mod backend;
pub mod client;
pub mod exchange;
pub mod hostile;
pub mod issuer;
pub mod operator;
pub mod plugboard;
pub mod reception;
pub mod telephone;
