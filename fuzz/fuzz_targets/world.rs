//! F16: a whole world of telephones, plugboards, clients and faults.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| telephone_fuzz::world(data));
