//! A recording, genuine, damaged, forged or none.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| telephone_fuzz::recording(data));
