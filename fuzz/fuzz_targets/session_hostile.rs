//! F4: one honest end and a peer that says anything.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| telephone_fuzz::session_hostile(data));
