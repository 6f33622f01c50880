//! F5: a request's head.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| telephone_fuzz::request_head(data));
