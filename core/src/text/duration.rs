//! Durations for people.

use alloc::format;
use alloc::string::String;
use core::time::Duration;

/// A duration in its two greatest units, cut off: "2 days 3 h", "1 h", "4 min 10 s", "0 s".
///
/// ```
/// use core::time::Duration;
/// use telephone_core::text::rough_duration;
/// assert_eq!(rough_duration(Duration::from_secs(183_600)), "2 days 3 h");
/// assert_eq!(rough_duration(Duration::from_secs(3_605)), "1 h");
/// ```
#[must_use]
pub fn rough_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let day = if days == 1 { "day" } else { "days" };
    match (days, hours, minutes, seconds % 60) {
        (0, 0, 0, seconds) => format!("{seconds} s"),
        (0, 0, minutes, 0) => format!("{minutes} min"),
        (0, 0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (0, hours, 0, _) => format!("{hours} h"),
        (0, hours, minutes, _) => format!("{hours} h {minutes} min"),
        (days, 0, ..) => format!("{days} {day}"),
        (days, hours, ..) => format!("{days} {day} {hours} h"),
    }
}

/// A duration in tenths of a second, and from a minute on in its two greatest units: "0.3 s", "12.5 s", "4 min 10 s".
///
/// ```
/// use core::time::Duration;
/// use telephone_core::text::told_time;
/// assert_eq!(told_time(Duration::from_millis(1_234)), "1.2 s");
/// ```
#[must_use]
pub fn told_time(time: Duration) -> String {
    match (time.as_millis() + 50) / 100 {
        tenths @ ..600 => format!("{}.{} s", tenths / 10, tenths % 10),
        _ => rough_duration(time),
    }
}

/// When something happens that has this delay: "at once", "in 0.3 s", "in 4 min 10 s".
#[must_use]
pub fn told_delay(delay: Duration) -> String {
    if delay < Duration::from_millis(50) { "at once".into() } else { format!("in {}", told_time(delay)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_told_in_its_two_greatest_units() {
        for (seconds, told) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (250, "4 min 10 s"),
            (3_659, "1 h"),
            (3_660, "1 h 1 min"),
            (86_400 + 59, "1 day"),
            (30 * 86_400 + 7_200, "30 days 2 h"),
        ] {
            assert_eq!(rough_duration(Duration::from_secs(seconds)), told);
        }
    }

    #[test]
    fn a_delay_is_told_in_tenths_of_a_second_and_a_long_one_in_minutes() {
        for (millis, told) in [
            (0, "at once"),
            (49, "at once"),
            (50, "in 0.1 s"),
            (1_960, "in 2.0 s"),
            (59_949, "in 59.9 s"),
            (59_950, "in 59 s"),
            (60_000, "in 1 min"),
            (75_000, "in 1 min 15 s"),
        ] {
            assert_eq!(told_delay(Duration::from_millis(millis)), told, "{millis}");
        }
    }
}
