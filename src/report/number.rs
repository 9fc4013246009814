//! Numbers as they are printed: as many digits as the standard error supports, and no more.

use crate::results::Lead;

/// Decimals that show `se` with one significant digit, or two where the first is 1 (0.0042 -> 3, 0.0123 -> 3).
fn decimals(se: f64) -> usize {
    let exponent = se.log10().floor();
    // Rounding may carry into the next decade (0.0096 -> 0.010), which the two digits after a leading 1 then show.
    let digits = if se / 10f64.powf(exponent) < 1.95 { 2.0 } else { 1.0 };
    (digits - 1.0 - exponent).clamp(0.0, 12.0) as usize
}

/// Whether fixed notation would be unreadable.
fn extreme(value: f64) -> bool {
    value != 0.0 && !(1e-4..1e6).contains(&value.abs())
}

/// A number with so many significant digits; thousands are not grouped.
pub(super) fn significant(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return "–".into();
    }
    if extreme(value) {
        return format!("{value:.*e}", digits.saturating_sub(1)).replace('-', "−");
    }
    let exponent = if value == 0.0 { 0.0 } else { value.abs().log10().floor() };
    let places = (digits as f64 - 1.0 - exponent).max(0.0) as usize;
    minus(format!("{value:.places$}"))
}

/// A number with at most three significant digits and no zeros at its end.
pub(super) fn plain(value: f64) -> String {
    let text = significant(value, 3);
    if text.contains('.') && !text.contains('e') {
        return text.trim_end_matches('0').trim_end_matches('.').to_string();
    }
    text
}

/// A time, with as many digits as tell it from its neighbours.
pub(super) fn time(value: f64) -> String {
    let rounded = format!("{value:.5e}").parse().unwrap_or(value);
    if (1e-4..1e6).contains(&f64::abs(rounded)) || rounded == 0.0 { format!("{rounded}") } else { plain(value) }
}

/// A lead time with its unit, in words; none where it is not known.
pub(super) fn lead_time(lead: &Lead) -> Option<String> {
    let time = time(lead.time?);
    Some(lead.unit.as_ref().map_or_else(|| format!("time {time}"), |unit| format!("{time} {unit}")))
}

/// A value and its standard error, rounded alike. Without a usable standard error the value has three digits.
pub(super) fn value_se(value: f64, se: Option<f64>) -> (String, Option<String>) {
    match se {
        // an error at the level of round-off says that the value does not vary, not that it is known to ten digits
        Some(se) if se > 1e-9 * value.abs() && se.is_finite() && value.is_finite() => {
            let scale = value.abs().max(se);
            if extreme(scale) {
                return scientific(value, se);
            }
            let places = decimals(se);
            (minus(format!("{value:.places$}")), Some(format!("{se:.places$}")))
        }
        _ => (significant(value, 3), None),
    }
}

/// A value and its error in scientific notation, both numbers with the exponent of the larger.
fn scientific(value: f64, se: f64) -> (String, Option<String>) {
    let exponent = value.abs().max(se).log10().floor() as i32;
    let unit = 10f64.powi(exponent);
    let places = decimals(se / unit).min(6);
    let mantissa = |number: f64| format!("{:.places$}e{exponent}", number / unit);
    (minus(mantissa(value)), Some(minus(mantissa(se))))
}

/// A typographic minus sign, as wide as a digit.
fn minus(text: String) -> String {
    let zero = text.starts_with('-') && text[1..].chars().all(|c| matches!(c, '0' | '.'));
    if zero { text[1..].to_string() } else { text.replace('-', "−") }
}

/// A whole number with thin spaces between thousands from 10,000 on.
pub(super) fn count(value: u64) -> String {
    let digits = value.to_string();
    if digits.len() < 5 {
        return digits;
    }
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// A duration in the unit that suits it.
pub(super) fn seconds(value: f64) -> String {
    match value {
        v if !v.is_finite() => "–".into(),
        v if v >= 120.0 => format!("{} min", significant(v / 60.0, 3)),
        v if v >= 1.0 => format!("{} s", significant(v, 3)),
        v if v >= 1e-3 => format!("{} ms", significant(v * 1e3, 3)),
        v => format!("{} µs", significant(v * 1e6, 3)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_error_decides_the_digits() {
        for (value, se, printed, error) in [
            (0.18943, 0.0042, "0.189", "0.004"),
            (0.18943, 0.0123, "0.189", "0.012"),
            (0.18943, 0.00096, "0.1894", "0.0010"),
            (-1.2345, 0.3, "−1.2", "0.3"),
            (1234.5, 60.0, "1234", "60"),
            (-0.0001, 0.03, "0.00", "0.03"),
            (3.2e-7, 4.1e-9, "3.20e−7", "0.04e−7"),
        ] {
            assert_eq!(value_se(value, Some(se)), (printed.to_string(), Some(error.to_string())), "{value} ± {se}");
        }
        assert_eq!(value_se(0.18943, None), ("0.189".into(), None));
        assert_eq!(value_se(0.18943, Some(0.0)), ("0.189".into(), None));
    }

    #[test]
    fn numbers_are_readable_at_every_size() {
        assert_eq!(significant(0.0, 3), "0.00");
        assert_eq!(significant(12345.6, 3), "12346");
        assert_eq!(significant(2.5e9, 3), "2.50e9");
        assert_eq!(significant(f64::NAN, 3), "–");
        assert_eq!([0.05, 0.25, 2.0, 100.0, 0.0].map(plain), ["0.05", "0.25", "2", "100", "0"]);
        assert_eq!(count(1234), "1234");
        assert_eq!(count(1234567), "1\u{202f}234\u{202f}567");
        assert_eq!(seconds(0.00035), "350 µs");
        assert_eq!(seconds(90.04), "90.0 s");
        assert_eq!(seconds(300.0), "5.00 min");
    }
}
