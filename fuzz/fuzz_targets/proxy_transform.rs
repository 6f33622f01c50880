//! F7: from a client's octets to a backend's.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| telephone_fuzz::proxy_transform(data));
