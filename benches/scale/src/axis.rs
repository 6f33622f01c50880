//! What a curve runs along.

use telephone_peers::table::grouped;

/// A count of something, or a size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// How many there are.
    One,
    /// Octets.
    Octet,
}

/// Units of 1024 octets each, the largest first.
const SIZES: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];

impl Unit {
    /// A point as text: `10,000`, `10 MiB`.
    pub fn label(self, at: u64) -> String {
        let size = match self {
            Self::One => None,
            Self::Octet => SIZES.into_iter().find(|(size, _)| at >= *size && at.is_multiple_of(*size)),
        };
        match size {
            Some((size, name)) => format!("{} {name}", at / size),
            None => grouped(&at.to_string()),
        }
    }

    /// Where a point is drawn: on a logarithmic axis nothing stands where one would.
    pub fn place(self, at: u64) -> f64 {
        at.max(1) as f64
    }

    /// What stands below a place on the axis.
    pub fn tick(self, place: f64) -> String {
        match self {
            Self::Octet if place < 2.0 => "0".to_owned(),
            Self::One | Self::Octet => self.label(place.round() as u64),
        }
    }

    /// What each tick is of the one before it.
    pub fn base(self) -> f64 {
        match self {
            Self::One => 10.0,
            Self::Octet => 1024.0,
        }
    }

    /// The largest point that `--max` leaves in: so many, or so many KiB.
    pub fn bound(self, max: u64) -> u64 {
        match self {
            Self::One => max,
            Self::Octet => max.saturating_mul(1024),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_commas_and_sizes_have_units() {
        assert_eq!([1, 100, 10_000].map(|at| Unit::One.label(at)), ["1", "100", "10,000"]);
        assert_eq!(
            [0, 1024, 100 << 10, 10 << 20, 1 << 30].map(|at| Unit::Octet.label(at)),
            ["0", "1 KiB", "100 KiB", "10 MiB", "1 GiB"]
        );
    }

    #[test]
    fn an_empty_body_stands_where_one_octet_would_and_is_named_for_what_it_is() {
        assert_eq!(Unit::Octet.tick(Unit::Octet.place(0)), "0");
        assert_eq!(Unit::Octet.tick(1024.0), "1 KiB");
        assert_eq!(Unit::One.tick(1.0), "1");
    }

    #[test]
    fn a_bound_on_bodies_is_in_kib() {
        assert_eq!((Unit::One.bound(100), Unit::Octet.bound(100)), (100, 100 << 10));
    }
}
