//! Client addresses as the relay counts them: what one client can be presumed to hold.

use core::net::IpAddr;

/// The unit that per-address limits count: one IPv4 address, or one IPv6 /64 prefix, the least that a site is
/// assigned (RFC 6177 §2), so that a client gains nothing by changing its address within it.
///
/// ```
/// use telephone_core::address::AddressBlock;
/// let of = |text: &str| AddressBlock::of(text.parse().unwrap());
/// assert_eq!(of("2001:db8::1"), of("2001:db8::ffff"));
/// assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
/// assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressBlock(Prefix);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Prefix {
    /// All 32 bits.
    V4(u32),
    /// The first 64 bits.
    V6(u64),
}

impl AddressBlock {
    /// The block of an address. An IPv4-mapped IPv6 address is the IPv4 address (RFC 4291 §2.5.5.2).
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => Prefix::V4(address.to_bits()),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Prefix::V6(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
            }
        })
    }
}
