//! F6: a chunked body.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| telephone_fuzz::chunked_body(data));
