//! Addresses: of clients as the relay counts them, and of a service on this machine.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

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

impl AddressBlock {
    /// A number that no other block has: the first address of the block, an IPv4 one as its IPv4-mapped IPv6 address.
    pub(crate) const fn to_bits(self) -> u128 {
        match self.0 {
            Prefix::V4(bits) => 0xFFFF_0000_0000 | bits as u128,
            Prefix::V6(bits) => (bits as u128) << 64,
        }
    }
}

/// The addresses of `localhost`, where programs listen on one of the two: the one that answered last is tried first.
///
/// ```
/// use telephone_core::address::Localhost;
/// let mut localhost = Localhost::default();
/// let [first, second] = localhost.order();
/// assert!(first.is_ipv4() && second.is_ipv6());
/// localhost.handle_connected(second);
/// assert_eq!(localhost.order(), [second, first]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Localhost {
    is_v6_first: bool,
}

impl Localhost {
    /// In this order they are tried, the second where the first refuses.
    #[must_use]
    pub const fn order(self) -> [IpAddr; 2] {
        let (v4, v6) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST));
        if self.is_v6_first { [v6, v4] } else { [v4, v6] }
    }

    /// A connection to that one was made.
    pub const fn handle_connected(&mut self, address: IpAddr) {
        self.is_v6_first = address.is_ipv6();
    }
}
