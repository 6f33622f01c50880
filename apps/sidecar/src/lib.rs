//! What both sidecar programs share, and the relay in part: options, logging, the health page, exit
//! codes, and the run itself, generic over the runtime.

pub mod background;
mod connect;
mod descriptors;
mod doctor;
mod exclusive;
mod exit;
mod health;
mod host_guard;
mod line;
mod listen;
mod logging;
mod memory;
mod options;
mod probes;
mod recording;
#[cfg(feature = "replay")]
mod replay;
mod requests;
mod run;
mod secret_file;
mod settings;
mod signals;
mod status;
mod token_file;
mod usage;
pub mod values;
pub mod variables;

pub use connect::{ConnectSettings, Side};
pub use descriptors::raise_descriptor_limit;
pub use doctor::DoctorSettings;
pub use exit::Exit;
pub use health::{Answer, answer};
pub use host_guard::HostGuard;
pub use line::{LineSettings, TokenOrigin};
pub use listen::cannot_listen;
pub use logging::{LogFormat, init as init_logging};
pub use options::{Command, parse};
pub use recording::Recording;
#[cfg(feature = "replay")]
pub use replay::ReplaySettings;
pub use requests::readable as readable_duration;
pub use run::{Builders, Built, end, main, run};
pub use secret_file::{exposure, warn_if_exposed};
pub use settings::Settings;
pub use signals::{Signal, Terminal, signals, stops};
pub use token_file::TokenFile;
pub use usage::{Stop, Usage};
