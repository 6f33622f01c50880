//! F3: two honest ends and a link that breaks.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| telephone_fuzz::session_pair(data));
