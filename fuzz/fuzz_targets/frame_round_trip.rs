//! F2: any frames, written and read.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| telephone_fuzz::frame_round_trip(data));
