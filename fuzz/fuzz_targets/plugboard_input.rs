//! Everything that hostile telephones and clients can send to a plugboard.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| telephone_fuzz::plugboard_input(data));
