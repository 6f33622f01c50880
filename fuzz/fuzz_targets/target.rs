//! F9: a target, and the mounts that it may belong to.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| telephone_fuzz::target(data));
