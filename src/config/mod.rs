//! The configuration file.

mod settings;

pub use settings::{
    Backend, Config, Journal, Kind, Redivis, Retry, Status, Transfer, Verify, Watch,
};
