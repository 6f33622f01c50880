//! Who acts in the world.

pub mod backend;
pub mod client;
pub mod dial;
pub mod drain;
pub mod exchange;
pub mod hostile;
pub mod issuer;
pub mod operator;
pub mod parting;
pub mod plugboard;
pub mod presenting;
pub mod reception;
pub mod repeats;
pub mod telephone;
