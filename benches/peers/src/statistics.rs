//! Medians, spreads and ratios of what rounds came to.

/// The middle of the values; between the two middle ones if their number is even. None of nothing.
pub fn median(values: &[f64]) -> Option<f64> {
    quantile(values, 0.5)
}

/// How far the values lie apart: half of what is between their quartiles, as a share of the median. One value has no
/// spread.
pub fn spread(values: &[f64]) -> Option<f64> {
    if values.len() < 2 {
        return None;
    }
    let between = quantile(values, 0.75)? - quantile(values, 0.25)?;
    let middle = median(values)?;
    (middle != 0.0).then(|| between / 2.0 / middle)
}

/// The value below which that share of them lies, drawn straight between its neighbours.
fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = sorted.len().checked_sub(1)? as f64 * share;
    let low = sorted.get(place.floor() as usize)?;
    let high = sorted.get(place.ceil() as usize)?;
    Some(low + (high - low) * place.fract())
}

/// The median over the rounds of the ratio within each. A round in which one of the two is missing does not count:
/// what disturbs a machine lasts for longer than a turn, and so it falls out of a ratio and not out of a median.
pub fn ratio(values: &[Option<f64>], reference: &[Option<f64>]) -> Option<f64> {
    let rounds = values.iter().zip(reference);
    let ratios = rounds.filter_map(|pair| match pair {
        (Some(value), Some(reference)) if *reference != 0.0 => Some(value / reference),
        _ => None,
    });
    median(&ratios.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_whatever_the_order() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[7.0]), Some(7.0));
        assert_eq!(median(&[9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
    }

    #[test]
    fn the_spread_is_half_of_what_is_between_the_quartiles() {
        assert_eq!(spread(&[10.0]), None);
        assert_eq!(spread(&[0.0, 0.0]), None);
        assert_eq!(spread(&[90.0, 110.0]), Some(0.05));
        // One round that went wrong is not the machine's noise.
        assert_eq!(spread(&[90.0, 95.0, 100.0, 105.0, 7.0e6]), Some(0.05));
    }

    #[test]
    fn a_ratio_is_made_within_each_round() {
        // The machine slows down by half from round to round: medians would still tell 2, but so does each round.
        let values = [Some(80.0), Some(40.0), Some(20.0)];
        let reference = [Some(40.0), Some(20.0), Some(10.0)];
        assert_eq!(ratio(&values, &reference), Some(2.0));
    }

    #[test]
    fn a_round_without_one_of_the_two_does_not_count() {
        let values = [Some(80.0), None, Some(30.0), Some(1.0)];
        let reference = [Some(40.0), Some(20.0), Some(10.0), None];
        assert_eq!(ratio(&values, &reference), Some(2.5));
        assert_eq!(ratio(&[Some(1.0)], &[Some(0.0)]), None);
    }
}
