//! Everything that a hostile plugboard can send to a telephone.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| telephone_fuzz::telephone_input(data));
