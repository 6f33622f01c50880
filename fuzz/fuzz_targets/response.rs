//! F8: from a backend's octets to a client's.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| telephone_fuzz::response(data));
