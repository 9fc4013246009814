//! Units of values, as text: two of them are alike where they are the same product of powers.
//!
//! `m/s`, `m s-1`, `m.s^-1` and `s**-1 m` are. Names are not looked up: `K` and `kelvin` are two units, for what they mean is not
//! known here.

use std::collections::BTreeMap;

/// Whether two files say different units of the same values. One that says none agrees with all.
pub fn differ(one: Option<&str>, other: Option<&str>) -> bool {
    let stated = |units: Option<&str>| units.map(str::trim).filter(|units| !units.is_empty()).map(str::to_owned);
    let (Some(one), Some(other)) = (stated(one), stated(other)) else { return false };
    let alike = || powers(&one).is_some_and(|powers_of_one| Some(powers_of_one) == powers(&other));
    one != other && !alike()
}

/// The powers of the names in a product; none where it is written otherwise.
fn powers(units: &str) -> Option<BTreeMap<String, i32>> {
    let mut powers = BTreeMap::new();
    for (at, part) in units.replace("**", "^").split('/').enumerate() {
        let factors: Vec<&str> = part.split(|c: char| c.is_whitespace() || ".*·".contains(c)).collect();
        let factors: Vec<&str> = factors.into_iter().filter(|factor| !factor.is_empty()).collect();
        if factors.is_empty() {
            return None;
        }
        for (place, factor) in factors.into_iter().enumerate() {
            let name = factor.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches(['-', '+', '^']);
            let power = factor[name.len()..].trim_start_matches('^');
            let power = if power.is_empty() { 1 } else { power.parse::<i32>().ok()? };
            // `1/s` is a product of nothing over seconds
            if factor == "1" {
                continue;
            }
            if name.is_empty() || !name.chars().all(char::is_alphabetic) {
                return None;
            }
            let sign = if at > 0 && place == 0 { -1 } else { 1 };
            *powers.entry(name.to_owned()).or_insert(0) += sign * power;
        }
    }
    powers.retain(|_, power| *power != 0);
    Some(powers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_compared_as_products_of_powers() {
        for (one, other) in [
            ("K", " K "),
            ("m/s", "m s-1"),
            ("m.s^-1", "m s**-1"),
            ("s-1 m", "m/s"),
            ("kg m-2 s-1", "kg/m2/s"),
            ("1/s", "s-1"),
            ("W m^-2", "W/m2"),
            ("%", "%"),
            ("degrees_C", "degrees_C"),
        ] {
            assert!(!differ(Some(one), Some(other)), "{one} and {other}");
        }
        for (one, other) in
            [("K", "degC"), ("m/s", "m s"), ("m", "km"), ("1", "%"), ("m/s", "m s-2"), ("mm", "MM"), ("1", "K")]
        {
            assert!(differ(Some(one), Some(other)), "{one} and {other}");
        }
        assert!(!differ(None, Some("K")) && !differ(Some(""), Some("K")) && !differ(None, None));
    }
}
