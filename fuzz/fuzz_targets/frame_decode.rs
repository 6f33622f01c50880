//! F1: any octets as a message.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| telephone_fuzz::frame_decode(data));
