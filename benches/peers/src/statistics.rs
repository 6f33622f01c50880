//! Medians, spreads and ratios of what rounds came to.

/// The middle of the values; between the two middle ones if their number is even. None of nothing.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let high = sorted.get(sorted.len() / 2)?;
    let low = sorted.get(sorted.len().saturating_sub(1) / 2)?;
    Some(f64::midpoint(*low, *high))
}

/// How far the values lie apart: half of what is between the least and the greatest, as a share of the median.
/// One value has no spread.
pub fn spread(values: &[f64]) -> Option<f64> {
    if values.len() < 2 {
        return None;
    }
    let least = values.iter().copied().reduce(f64::min)?;
    let greatest = values.iter().copied().reduce(f64::max)?;
    let middle = median(values)?;
    (middle != 0.0).then(|| (greatest - least) / 2.0 / middle)
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
    fn the_spread_is_half_the_range_beside_the_median() {
        assert_eq!(spread(&[10.0]), None);
        assert_eq!(spread(&[0.0, 0.0]), None);
        assert_eq!(spread(&[90.0, 100.0, 110.0]), Some(0.1));
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
