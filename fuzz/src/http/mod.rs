//! F5 to F8: both ends of the HTTP/1.1 codec against slow readers, however the input is cut into reads.

mod chunked_body;
mod compare;
mod proxy_transform;
mod request_head;
mod response;
mod run;

pub use chunked_body::chunked_body;
pub use proxy_transform::proxy_transform;
pub use request_head::request_head;
pub use response::response;
pub(crate) use run::public_connection;
