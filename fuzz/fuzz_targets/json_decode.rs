//! F1 of the JSON profile: any octets as a text message.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| telephone_fuzz::json_decode(data));
